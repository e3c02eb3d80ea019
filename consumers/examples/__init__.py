"""Programs of a department, to read and to start from. Each is run by a test."""
