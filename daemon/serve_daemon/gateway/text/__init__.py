"""From conversations to tokens, and from tokens to text."""
