"""What an answer must be, as a grammar that engines keep to."""
