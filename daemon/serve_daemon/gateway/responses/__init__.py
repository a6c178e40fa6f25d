"""The endpoints of Responses, over HTTP and over WebSockets."""
