"""What Athena is measured beside: the same work in a few readable lines each."""
