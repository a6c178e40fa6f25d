"""What follows the model: the steps of sentence-transformers, from modules.json on. No torch.

A checkpoint without that file gets the mean of its tokens, as sentence-transformers has it.
"""

import json
from pathlib import Path
from typing import Any

from msgspec import Struct

from serve_daemon.config.model_kind import MODULES, POOLING, read_json, settings_of
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

# Flags of a pooling's config.json, in the order in which several are put beside one another.
POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")  # of torch.nn, by their names


class Pooling(Struct, frozen=True):
    """One vector of those of all tokens."""

    modes: tuple[str, ...]  # values of POOLINGS


class Dense(Struct, frozen=True):
    """A linear layer, and a function of each value."""

    weights: Path  # safetensors: linear.weight, and linear.bias if it has one
    activation: str


class Normalize(Struct, frozen=True):
    """The vector at length 1."""


Module = Pooling | Dense | Normalize
MEAN = Pooling(("mean",))


def modules_of(folder: Path) -> list[Module]:
    """What is done with the last hidden states of the checkpoint in `folder`, pooling first.

    Raises `EngineError` for what can't be done as its makers did it.
    """
    _check_settings(folder)
    if not (folder / MODULES).is_file():
        pooled = (folder / POOLING).is_dir()
        return [_pooling(folder / POOLING)] if pooled else [MEAN]
    modules = [module for entry in _entries(folder) if (module := _module(folder, entry))]
    if not modules or not isinstance(modules[0], Pooling):
        raise _unable(folder / MODULES, "it has no pooling after the model")
    return modules


def _entries(folder: Path) -> list[dict[str, Any]]:
    file = folder / MODULES
    try:
        entries = json.loads(file.read_bytes())
    except ValueError as error:
        raise _unable(file, str(error)) from error
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise _unable(file, "it is no list of modules")
    return entries


def _module(folder: Path, entry: dict[str, Any]) -> Module | None:
    """None for what is the model itself, or does nothing when it isn't trained."""
    kind, path = str(entry.get("type", "")), str(entry.get("path", ""))
    match kind.rpartition(".")[2]:
        case "Transformer" if path in {"", "."}:
            return None
        case "Transformer":
            raise _unable(folder / MODULES, f"its model is in the folder {path}, not beside it")
        case "Pooling":
            return _pooling(folder / path)
        case "Dense":
            return _dense(folder / path)
        case "Normalize":
            return Normalize()
        case "Dropout":
            return None
    raise _unable(folder / MODULES, f"engine 'embedding' knows no module {kind}")


def _pooling(folder: Path) -> Pooling:
    if not (folder / "config.json").is_file():
        raise _unable(folder, "its pooling has no config.json; download the whole checkpoint")
    config = read_json(folder / "config.json")
    named = config.get("pooling_mode")
    asked = named if isinstance(named, list) else [named] if named else []
    asked += [mode for flag, mode in POOLINGS.items() if config.get(flag) and mode not in asked]
    known = [mode for mode in POOLINGS.values() if mode in asked]
    if not known or len(known) < len(asked):
        told = ", ".join(map(str, asked)) or "none"
        raise _unable(folder / "config.json", f"engine 'embedding' knows no such pooling: {told}")
    return Pooling(tuple(known))


def _dense(folder: Path) -> Dense:
    weights, config = folder / "model.safetensors", read_json(folder / "config.json")
    if not weights.is_file():
        raise _unable(folder, "its dense layer has no model.safetensors")
    activation = str(config.get("activation_function", "torch.nn.Identity")).rpartition(".")[2]
    if activation not in ACTIVATIONS:
        reason = f"engine 'embedding' knows no activation_function {activation}"
        raise _unable(folder / "config.json", reason)
    return Dense(weights, activation)


def _check_settings(folder: Path) -> None:
    """The gateway's tokenizer lower-cases only what the checkpoint's own does."""
    tokenizer = read_json(folder / "tokenizer_config.json")
    if settings_of(folder).get("do_lower_case") and not tokenizer.get("do_lower_case"):
        raise _unable(folder, "its texts are to be lower-cased, and its tokenizer does not do so")


def _unable(where: Path, reason: str) -> EngineError:
    return EngineError(Reason.CONFIG, f"{where}: {reason}")
