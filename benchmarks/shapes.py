"""Llama models with random weights: their configs, and a tokenizer whose every token is text."""

import json
import random
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500_000.0,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "dtype": "bfloat16",
}
SHAPES: dict[str, dict[str, Any]] = {
    "1B": {
        "num_hidden_layers": 16,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "vocab_size": 128_256,
        "tie_word_embeddings": True,
    },
    "8B": {
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 128_256,
        "tie_word_embeddings": False,
    },
    "tiny": {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 512,
        "tie_word_embeddings": True,
    },
}
SAVE = """
import sys, torch
from transformers import AutoConfig, AutoModelForCausalLM
folder, device = sys.argv[1:]
torch.manual_seed(0)
with torch.device(device):
    model = AutoModelForCausalLM.from_config(
        AutoConfig.from_pretrained(folder), dtype=torch.bfloat16)
model.save_pretrained(folder)
"""


def write(name: str, folder: Path) -> Path:
    """What load_format = "dummy" needs, with a tokenizer: no weights."""
    config = LLAMA | SHAPES[name]
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    _write_tokenizer(folder, config["vocab_size"])
    return folder


def write_weights(folder: Path, device: str) -> None:
    """Random weights for a server that has no dummy ones. Raises `CalledProcessError`."""
    if not (folder / "model.safetensors").exists() and not list(folder.glob("model-*")):
        command = [sys.executable, "-c", SAVE, str(folder), device]
        subprocess.run(command, check=True, capture_output=True)


def prompt_of(num_tokens: int, seed: int = 0) -> str:
    """A text of so many tokens, one a letter; another seed gives one that begins differently."""
    draw = random.Random(seed)  # noqa: S311 (nothing is secret here)
    return "".join(draw.choices(string.ascii_lowercase, k=num_tokens))


def _write_tokenizer(folder: Path, size: int) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(filter(str.isascii, pre_tokenizers.ByteLevel.alphabet()))
    words = ["<unk>", "<s>", "</s>", *letters]
    words += [f"[{number}]" for number in range(size - len(words))]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "chat_template": "{{ messages[0].content }}",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
