"""The Faust transport that delivers whole units of records (DESIGN 4)."""
