"""HTTP: requests in, the service's answers out."""
