"""Who may do what: keys, sessions, tokens and tickets, origins, limits, and the record of what was done."""
