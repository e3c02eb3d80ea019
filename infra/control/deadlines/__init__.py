"""Statutory clocks: what is due when, in working days of the State Council's calendar, and who is late."""
