"""Access control: keys, sessions, tokens, tickets, allowed origins, limits and the audit log."""
