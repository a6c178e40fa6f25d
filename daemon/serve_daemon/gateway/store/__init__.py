"""Responses that are kept: a database of the gateway, which all its workers share."""
