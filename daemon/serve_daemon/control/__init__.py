"""The control socket: varlink protocol, server and client."""
