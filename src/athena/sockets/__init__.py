"""TCP connections: Athena's own transports, one write to many of them, and what the kernel knows about a peer."""
