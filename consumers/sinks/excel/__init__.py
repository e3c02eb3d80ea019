"""A workbook for people: the rows as they are now, written anew from the SQLite file beside it."""
