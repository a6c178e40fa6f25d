"""Tiny checkpoints in each format that a CPU can make, and configs of those that it can't."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.models import TINY_LLAMA, write_safetensors, write_tokenizer

BLOCK = 32  # rows and columns that share a scale in `fp8`
LARGEST_FP8 = 448.0


def write_bitsandbytes(folder: Path, bits: int) -> Path:
    import torch
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return _saved(folder, BitsAndBytesConfig(load_in_8bit=True))
    return _saved(
        folder,
        BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
        ),
    )


def write_torchao(folder: Path) -> Path:
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    return _saved(folder, TorchAoConfig(Int8WeightOnlyConfig()))


def write_fp8(folder: Path) -> Path:
    """As DeepSeek stores them: 8-bit floats, with a scale for each square block."""
    import torch

    def pack(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        rows, columns = (size // BLOCK for size in weight.shape)
        blocks = weight.view(rows, BLOCK, columns, BLOCK)
        scale = blocks.abs().amax(dim=(1, 3)) / LARGEST_FP8
        packed = (blocks / scale[:, None, :, None]).view_as(weight).to(torch.float8_e4m3fn)
        return {name: packed, f"{name}_scale_inv": scale}

    return _packed(
        folder,
        pack,
        {
            "quant_method": "fp8",
            "activation_scheme": "dynamic",
            "weight_block_size": [BLOCK, BLOCK],
            "modules_to_not_convert": ["lm_head"],
        },
    )


def write_compressed_tensors(folder: Path) -> Path:
    """8-bit integers, four of them in one of 32 bits, with a scale for each row."""
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

    def pack(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        return {
            f"{name}_packed": pack_to_int32((weight / scale).round().to(torch.int8), 8),
            f"{name}_scale": scale,
            f"{name}_shape": torch.tensor(weight.shape),
        }

    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
    return _packed(
        folder,
        pack,
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "quantization_status": "compressed",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
            "ignore": ["lm_head"],
        },
    )


def write_config_of(method: str, folder: Path) -> Path:
    """A checkpoint without weights: enough to see what it would take."""
    folder.mkdir(parents=True)
    config = TINY_LLAMA | {"quantization_config": {"quant_method": method, "bits": 4}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _saved(folder: Path, quantization: Any) -> Path:
    """The random weights, as Transformers quantizes and saves them."""
    import torch
    from transformers import AutoModelForCausalLM

    plain = write_safetensors(folder.with_name(f"{folder.name}-plain"))
    model = AutoModelForCausalLM.from_pretrained(
        plain, quantization_config=quantization, dtype=torch.float32, device_map={"": "cpu"}
    )
    model.save_pretrained(folder)
    return write_tokenizer(folder)


def _packed(
    folder: Path, pack: Callable[[str, Any], dict[str, Any]], quantization: dict[str, Any]
) -> Path:
    """The random weights, those of the layers packed by hand."""
    from safetensors.torch import load_file, save_file

    write_safetensors(folder)
    tensors: dict[str, Any] = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        tensors |= pack(name, weight) if "proj" in name else {name: weight}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = quantization
    (folder / "config.json").write_text(json.dumps(config))
    return folder
