"""Which keys only one engine has a use for, and those of them that take a GPU."""

GPU_KEYS = ("use_cuda_graph", "use_async_batching", "cpu_offload_space")
CONTINUOUS_KEYS = ("allow_block_sharing", "default_compile_level", *GPU_KEYS)
UNUSED_KEYS = {  # by the engine that has no use for them
    "continuous": ("kv_cache_dtype",),
    "compiled": CONTINUOUS_KEYS,
    "embedding": ("gguf", "kv_cache_memory", "kv_cache_dtype", *CONTINUOUS_KEYS),
}

# Tokens of one step: a long prompt is cut, so that others' tokens don't wait for all of it.
CPU_STEP_TOKENS = 256
ACCELERATOR_STEP_TOKENS = 2048


def step_tokens(max_batch_tokens: int, max_requests: int, device_kind: str) -> int:
    """The most tokens that a step may have; 0 leaves `max_batch_tokens` to the device."""
    usual = CPU_STEP_TOKENS if device_kind == "cpu" else ACCELERATOR_STEP_TOKENS
    return max(max_batch_tokens or usual, max_requests)


# Of engine embedding: texts of one step are padded to one length, and none of them is cut.
CPU_TEXTS_TOKENS = 512  # more fit no cache of a core, and are no faster
ACCELERATOR_TEXTS_TOKENS = 16384


def texts_tokens(max_batch_tokens: int, device_kind: str) -> int:
    """Tokens of a step that makes vectors, padding included; a longer text is computed alone."""
    usual = CPU_TEXTS_TOKENS if device_kind == "cpu" else ACCELERATOR_TEXTS_TOKENS
    return max_batch_tokens or usual
