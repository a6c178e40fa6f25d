"""The status page at /ui: its files, and the state that it shows."""
