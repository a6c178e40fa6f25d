"""What the three programs say to each other: messages, framing, transport."""
