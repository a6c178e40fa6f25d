"""Models that make a vector of a text."""
