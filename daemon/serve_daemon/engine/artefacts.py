"""What the gateway reads of a model: tokenizer.json, the chat template and the configs.

They are gathered in one directory whatever the checkpoint looks like. No torch here.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
CHAT_TEMPLATE = "chat_template.jinja"
COPIED = (TOKENIZER, "config.json", "generation_config.json")
SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


def gather(checkpoint: Path, target: Path) -> None:
    """Fill `target` from `checkpoint`, replacing what is there."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    for name in COPIED:
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, partial / name)
    config = _read(checkpoint / TOKENIZER_CONFIG)
    special = _read(checkpoint / "special_tokens_map.json")
    if not (partial / TOKENIZER).exists() and config:
        _build_tokenizer(checkpoint, partial)
    if config or special:
        (partial / TOKENIZER_CONFIG).write_text(json.dumps(tokenizer_config(config, special)))
    if template := _chat_template(checkpoint, config):
        (partial / CHAT_TEMPLATE).write_text(template)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


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
