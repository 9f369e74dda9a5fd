"""Documents in bulk: jobs that workers take from a queue in Postgres, a chunk at a time."""
