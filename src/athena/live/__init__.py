"""Live push: one tail and its readers. A client is a socket and a position in the tail, nothing more."""
