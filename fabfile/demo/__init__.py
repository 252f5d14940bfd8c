"""The demo's crawl of real pages."""
