"""A GGUF file without its weights and its long lists, which Transformers reads at once.

Its reader makes objects of every token and every merge of a vocabulary, which takes seconds, also
where only the sizes of the model are asked for.
"""

import struct
from pathlib import Path
from typing import Any

from serve_daemon.config import gguf_header
from serve_daemon.config.gguf_header import MAGIC, GgufHeader, Length

NAME = "outline.gguf"
TOKENS = "tokenizer.ggml.tokens"
VERSION = 3


def config_of(gguf: Path, folder: Path) -> Any:  # transformers.PretrainedConfig
    """The config that Transformers makes of `gguf`; `folder` takes a file for a while.

    Raises `ValueError` for an architecture that Transformers doesn't know.
    """
    from transformers import AutoConfig

    header = gguf_header.read(gguf)
    file = folder / NAME
    write(gguf, header, file)
    try:
        return AutoConfig.from_pretrained(folder, gguf_file=NAME, **_vocabulary(header))
    finally:
        file.unlink()


def write(gguf: Path, header: GgufHeader, target: Path) -> None:
    """Write what is short in `header`, that of `gguf`, and a hole in the place of the weights."""
    kept = [
        part
        for name, part in header.entries.items()
        if not isinstance(header.metadata[name], Length)
    ]
    with gguf.open("rb") as source, target.open("wb") as file:
        file.write(MAGIC + struct.pack("<IQQ", VERSION, len(header.tensors), len(kept)))
        for part in (*kept, header.table):
            source.seek(part.begin)
            file.write(source.read(part.end - part.begin))
        file.truncate(file.tell() + gguf.stat().st_size)  # what is in no block takes no room


def _vocabulary(header: GgufHeader) -> dict[str, int]:
    """Its size, where only the tokens that are left out tell it."""
    kind = header.metadata.get("general.architecture", "")
    tokens = header.metadata.get(TOKENS)
    if f"{kind}.vocab_size" in header.metadata or not isinstance(tokens, Length):
        return {}
    return {"vocab_size": tokens.count}
