"""Directory and catalogue: their log, its projection for queries, and what may be written to it."""
