"""Throw-away hosts on this machine, for the demo, the tests and for trying things out."""
