"""A generated register of a whole city, for trying things at full size. Nothing in it is anybody's data."""
