"""The programs that run on hosts, sent there as one zip: Python 2.7 or 3; see words.py for their work."""
