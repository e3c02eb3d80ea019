"""`bus explain`: what happened to a record under a grant, and why. `explain.py` is the use case."""
