"""serve-daemon: systemd for language models."""

__version__ = "0.1.0"
