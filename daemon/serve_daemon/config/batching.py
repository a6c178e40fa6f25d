"""Which keys only one engine has a use for, and those of them that take a GPU."""

GPU_KEYS = ("use_cuda_graph", "use_async_batching", "cpu_offload_space")
CONTINUOUS_KEYS = ("allow_block_sharing", "default_compile_level", *GPU_KEYS)
