"""The demonstration: a sample city (or the real registrations) through the whole bus, every record accounted for."""
