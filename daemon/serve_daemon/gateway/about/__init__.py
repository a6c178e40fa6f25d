"""What is told about the gateway and its models; nothing is generated."""
