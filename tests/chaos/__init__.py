"""Chaos: the whole way of a record as real processes, faults chosen by a seed, and every record counted. See README.md."""
