"""How long a reader may be away and still simply read on: the promise that topics keep and readers check (DESIGN 3.4)."""

TOLERATED_MS = 7 * 24 * 3600 * 1000
"""Milliseconds. Source and grant topics are compacted, but nothing younger than this is: neither a change that a later one
replaced, nor a delete. A reader that has left something unread for longer may have lost a delete, and is rebuilt."""
