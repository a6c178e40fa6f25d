"""Request and reply types of the public API."""
