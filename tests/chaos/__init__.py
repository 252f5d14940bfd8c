"""Faults and changes in the middle of a crawl, and whether each page is stored once; `./run chaos` runs them."""
