"""GGUF files whose weights are kept in their blocks."""
