"""What a checkpoint says of its own quantization, read from its config.json without torch."""

import json
from pathlib import Path
from typing import Any

GGUF = "gguf"
BITSANDBYTES = "bitsandbytes"


def quantization_of(checkpoint: str | Path) -> str:
    """The method by which the weights at this path are quantized already, as Transformers names it.

    "" for plain weights, and for what is not there or can't be read.
    """
    path = Path(checkpoint).expanduser()
    if path.suffix == f".{GGUF}":
        return GGUF
    declared = _declared(path / "config.json")
    if declared.get("load_in_4bit") or declared.get("load_in_8bit"):
        return BITSANDBYTES  # the oldest of its checkpoints don't name the method
    return str(declared.get("quant_method") or "")


def _declared(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_bytes())
    except (OSError, ValueError):  # the engine tells what is wrong with it, when it loads it
        return {}
    declared = config.get("quantization_config") if isinstance(config, dict) else None
    return declared if isinstance(declared, dict) else {}
