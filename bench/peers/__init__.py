"""The servers that Athena is compared with: the same work in a few readable lines each."""
