"""The load generators in Python, for machines without a C compiler. Same arguments, same lines in and out."""
