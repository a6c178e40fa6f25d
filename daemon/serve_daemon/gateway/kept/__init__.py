"""Responses that are kept: made beside any connection, read along, taken over."""
