"""A decode loop compiled ahead of time, which sequences join and leave between two steps."""
