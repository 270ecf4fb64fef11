"""TCP connections: ours, one write to many of them, and what the kernel knows of a peer."""
