"""The OpenAI API, from HTTP to tokens and back."""
