"""Fuzzing: seeded cases for everything that reads what others wrote. `python -m tests.fuzz --help`.

mutation.py   texts, bytes and JSON trees, changed as hostile or careless hands would
wire.py       random Avro schemas and values of them, straight to bytes
targets/      one file each: how a case is made, and what must hold of it
run.py        rounds, pace, findings: each with its seed, its smallest input and how to see it again
shrink.py     the smallest input that still fails alike
"""
