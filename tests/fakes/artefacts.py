"""The directory that a fake engine hands to gateways: a small real tokenizer, a chat template."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

ROLES = ("system", "user", "assistant")
END = "<|end|>"
# Some pairs are merged, so that one token may be two letters, and a character several tokens.
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("e", "r")]

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message.content == "template, refuse" -%}{{ raise_exception("refused") }}{%- endif -%}
<|{{ message.role }}|>{{ message.content }}<|end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""
THINKS = "{#- answers begin with <think>...</think> -#}"


def make_tokenizer(order: int = 0) -> Tokenizer:
    """A byte-level BPE over all bytes, a few merges, and the marks of the chat template.

    With another `order` the same pieces have other numbers.
    """
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = pieces[order:] + pieces[:order]
    pieces += [left + right for left, right in MERGES]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([f"<|{role}|>" for role in ROLES] + [END])
    return tokenizer


def write_artefacts(
    directory: Path,
    *,
    generation_config: Mapping[str, object],
    order: int = 0,
    thinks: bool = False,
) -> Path:
    """Write the files that an engine's loader would, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(order)
    files = {
        "tokenizer.json": tokenizer.to_str(),
        "tokenizer_config.json": json.dumps({"eos_token": END, "bos_token": END}),
        "chat_template.jinja": CHAT_TEMPLATE + (THINKS if thinks else ""),
        "config.json": json.dumps({"vocab_size": tokenizer.get_vocab_size()}),
        "generation_config.json": json.dumps(generation_config),
    }
    for name, text in files.items():
        handle, temporary = tempfile.mkstemp(dir=directory)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).replace(directory / name)
    return directory
