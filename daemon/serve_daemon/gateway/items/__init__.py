"""A response in the words of its API: its object, its items, the events of its stream."""
