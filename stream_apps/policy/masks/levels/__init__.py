"""What `generalise` is bound to: one small mask for each family of levels (dates, numbers, places)."""
