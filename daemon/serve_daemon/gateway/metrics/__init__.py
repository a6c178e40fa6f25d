"""What is counted: of each model's requests, and of one request on its way."""
