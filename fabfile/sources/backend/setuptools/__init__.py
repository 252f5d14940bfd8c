"""Stands in for setuptools while pip downloads source packages: no setup.py is ever run."""
