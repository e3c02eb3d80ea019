"""Where views are delivered to, one folder each."""
