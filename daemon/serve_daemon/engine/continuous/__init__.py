"""Transformers' continuous batching, adapted: nothing outside this package imports it."""
