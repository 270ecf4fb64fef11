"""Measures Athena's speed and memory against its peers, in one run: `make bench`, or `python -m bench --help`."""
