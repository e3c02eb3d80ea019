"""Files for analysts and loaders: a grant's changes as Parquet, CSV or JSON Lines."""
