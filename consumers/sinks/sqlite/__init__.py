"""A SQLite file: the embedded default."""
