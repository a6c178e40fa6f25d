"""From the text that a model writes to the calls and the reasoning in it, as it comes."""
