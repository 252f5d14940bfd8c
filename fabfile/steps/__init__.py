"""Desired states of a host: the script that looks (`probe`), the missing changes (`diff`), both pure."""
