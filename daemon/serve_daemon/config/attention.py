"""Which attention goes with which engine and device: what can be told from the names alone."""

import re

HUB_KERNEL = "ORG/NAME"  # stands for all kernels of the Hub where what they lack is told
FLASH = ("flash_attention_2", "flash_attention_3")
WORKING = {  # by the engine
    "continuous": ("auto", "sdpa", "eager", *FLASH),
    "compiled": ("auto", "slots"),  # it has its own
    "embedding": ("auto", "sdpa", "eager"),
}

_HUB_KERNEL = re.compile(r"[\w.-]+/[\w.-]+(@[^\s:@]+)?(:[^\s:@]+)?", re.ASCII)


def is_hub_kernel(name: str) -> bool:
    """Whether it is ORG/NAME[@REVISION][:FUNCTION], which the package `kernels` downloads."""
    return _HUB_KERNEL.fullmatch(name) is not None


def problem_of(engine: str, name: str) -> str:
    """Why `engine` does not work with the attention `name`, and what to use; "" if it does."""
    takes_kernels = engine == "continuous"
    if name in WORKING[engine] or (takes_kernels and is_hub_kernel(name) and "flash" in name):
        return ""
    more = ", or a flash attention kernel of the Hub" if takes_kernels else ""
    working = ", ".join(WORKING[engine])
    return f"'{name}' does not work with engine '{engine}'; use one of {working}{more}"


def needs_gpu(name: str) -> bool:
    return name in FLASH
