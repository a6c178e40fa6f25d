"""What tells one GGUF file, in one state, from another."""

import hashlib
from pathlib import Path


def key(path: str, size: int, modified_ns: int, *details: str) -> str:
    """Of a file and of all else that what is made of it depends on."""
    text = "\n".join([path, str(size), str(modified_ns), *details])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def named(gguf: Path, *details: str) -> str:
    """The name of what is made of `gguf`; a link leads to that of its file."""
    real = gguf.resolve()
    status = real.stat()
    return f"{gguf.stem}-{key(str(real), status.st_size, status.st_mtime_ns, *details)}"
