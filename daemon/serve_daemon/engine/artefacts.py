"""What the gateway reads of a model: tokenizer.json, the chat template and the configs.

They are gathered in one directory whatever the checkpoint looks like. No torch here.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1  # raise it when what is written changes
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
CHAT_TEMPLATE = "chat_template.jinja"
COPIED = (TOKENIZER, "config.json", "generation_config.json")
READ = (*COPIED, TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP, CHAT_TEMPLATE)
SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


def gather(checkpoint: Path, cache: Path) -> Path:
    """The directory in `cache` with the artefacts of `checkpoint`, made if it isn't there.

    It appears whole and never changes, so that engines and gateways may share it.
    """
    target = cache / f"{checkpoint.name}-{_digest(checkpoint)}"
    if target.exists():
        return target
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write(checkpoint, partial)
    try:
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial)
        if not target.exists():  # else another engine was quicker
            raise
    return target


def tokenizer_config(config: Mapping[str, Any], special: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with its special tokens as plain strings and without its chat template."""
    plain = {name: value for name, value in config.items() if name != "chat_template"}
    for name in SPECIAL_TOKENS:
        token = config.get(name, special.get(name))
        if token is not None:
            plain[name] = token["content"] if isinstance(token, dict) else token
    return plain


def default_template(template: object) -> str:
    """The template that is used when none is named; "" if there is none."""
    if isinstance(template, str):
        return template
    if isinstance(template, list):
        named = {entry["name"]: entry["template"] for entry in template}
        return str(named.get("default", ""))
    return ""


def _write(checkpoint: Path, target: Path) -> None:
    for name in COPIED:
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, target / name)
    config = _read(checkpoint / TOKENIZER_CONFIG)
    special = _read(checkpoint / SPECIAL_TOKENS_MAP)
    if config and not (target / TOKENIZER).exists():
        _build_tokenizer(checkpoint, target)
    if config or special:
        (target / TOKENIZER_CONFIG).write_text(json.dumps(tokenizer_config(config, special)))
    if template := _chat_template(checkpoint, config):
        (target / CHAT_TEMPLATE).write_text(template, encoding="utf-8")


def _digest(checkpoint: Path) -> str:
    lines = [str(FORMAT_VERSION), str(checkpoint.resolve()), *_stamps(checkpoint)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _stamps(checkpoint: Path) -> Iterator[str]:
    for name in READ:
        file = checkpoint / name
        if file.is_file():
            status = file.stat()
            yield f"{name} {status.st_size} {status.st_mtime_ns}"


def _chat_template(checkpoint: Path, config: Mapping[str, Any]) -> str:
    file = checkpoint / CHAT_TEMPLATE
    if file.is_file():
        return file.read_text(encoding="utf-8")
    return default_template(config.get("chat_template"))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _build_tokenizer(checkpoint: Path, target: Path) -> None:
    """Write tokenizer.json for a checkpoint that has its tokenizer in an older form."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.backend_tokenizer.save(str(target / TOKENIZER))
