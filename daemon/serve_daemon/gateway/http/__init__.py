"""Connections, requests and their replies, as far as all endpoints are alike."""
