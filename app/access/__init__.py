"""Who may do what: keys, roles and rate limits of the REST API."""
