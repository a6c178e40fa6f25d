"""Chat completions, and the completions that were before them."""
