"""Which architectures engine compiled is known to drive, told without torch.

It drives more: it finds out when it loads a model. These it is tested with, so that they can be
chosen for it before anything is loaded.
"""

# Values of `model_type` in a config.json.
MODEL_TYPES = frozenset({"llama", "qwen2", "qwen3", "mistral", "gemma3_text", "smollm3"})
# Values of `general.architecture` in a GGUF file; that of Mistral is llama there.
GGUF_ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3", "gemma3", "smollm3"})
