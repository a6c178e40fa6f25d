"""The configuration: its schema, how it is read and checked, and what a change of it means."""
