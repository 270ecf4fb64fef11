"""Measures Athena's speed and memory beside its peers, in one run: `make bench`, or `python -m bench --help`."""
