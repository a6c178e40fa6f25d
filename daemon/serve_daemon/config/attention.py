"""Which attention goes with which engine and device: what can be told from the names alone."""

import re

HUB_KERNEL = "ORG/NAME"  # stands for all kernels of the Hub where what they lack is told
FLASH = ("flash_attention_2", "flash_attention_3")
# An engine that is not named here looks at the name itself.
WORKING = {"continuous": ("auto", "sdpa", "eager", *FLASH)}

_HUB_KERNEL = re.compile(r"[\w.-]+/[\w.-]+(@[^\s:@]+)?(:[^\s:@]+)?", re.ASCII)


def is_hub_kernel(name: str) -> bool:
    """Whether it is ORG/NAME[@REVISION][:FUNCTION], which the package `kernels` downloads."""
    return _HUB_KERNEL.fullmatch(name) is not None


def problem_of(engine: str, name: str) -> str:
    """Why `engine` does not work with the attention `name`, and what to use; "" if it does."""
    working = WORKING.get(engine)
    if working is None or name in working or (is_hub_kernel(name) and "flash" in name):
        return ""
    return (
        f"'{name}' does not work with engine '{engine}';"
        f" use one of {', '.join(working)}, or a flash attention kernel of the Hub"
    )


def needs_gpu(name: str) -> bool:
    return name in FLASH
