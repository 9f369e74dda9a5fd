"""The knowledge base: entities in Postgres, searched through snapshots."""
