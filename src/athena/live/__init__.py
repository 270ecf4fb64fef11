"""The push: one tail, and readers of it. A client is a socket and a position in the tail, nothing more."""
