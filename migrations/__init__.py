"""The history of the database schema, one file a change; `kb.database.migrate` applies it."""
