"""Desired states of a host: what looks (`probe`) and what is missing (`diff`), both pure."""
