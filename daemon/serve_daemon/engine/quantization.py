"""Weights in few bits: what each method needs, and how plain weights are quantized at load."""

import logging
from pathlib import Path
from typing import Any

from msgspec import Struct

from serve_daemon.config.checkpoint import BITSANDBYTES, GGUF, quantization_of
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.requirements import missing
from serve_daemon.wire.messages import EngineSpec, Reason

Capability = tuple[int, int]  # of a CUDA device: major, minor

RUNTIME = {"bnb-4bit": BITSANDBYTES, "bnb-8bit": BITSANDBYTES}  # by the value of `quantization`


class Method(Struct, frozen=True):
    """What it takes to compute with weights that a method has quantized."""

    requirements: tuple[str, ...] = ()  # as pip is asked for them
    capability: Capability | None = None  # of the least CUDA device; None: a CPU does


ANY_GPU = (0, 0)
ACCELERATE = "accelerate>=1.1"
KERNELS = "kernels"
# By the name in a checkpoint's config.json; from what Transformers' quantizers ask for.
METHODS = {
    BITSANDBYTES: Method(("bitsandbytes>=0.46.1", ACCELERATE)),
    GGUF: Method(("gguf>=0.10",)),
    "aqlm": Method(("aqlm", ACCELERATE)),
    "auto-round": Method(("auto-round>=0.5",)),
    "awq": Method(("gptqmodel", ACCELERATE)),
    "bitnet": Method((ACCELERATE,)),
    "compressed-tensors": Method(("compressed-tensors>=0.15",)),
    "eetq": Method((KERNELS, ACCELERATE), ANY_GPU),
    "fbgemm_fp8": Method(("fbgemm-gpu", ACCELERATE), (9, 0)),
    "fouroversix": Method(("fouroversix",)),
    "fp8": Method((ACCELERATE,)),  # unpacked where no GPU computes in it
    "fp_quant": Method(("fp_quant",), ANY_GPU),
    "gptq": Method(("gptqmodel>=1.4.3", "optimum>=1.24")),
    "higgs": Method(("flute-kernel>=0.3", "fast_hadamard_transform", ACCELERATE), ANY_GPU),
    "hqq": Method(("hqq>=0.2.1",)),
    "mxfp4": Method((ACCELERATE,)),  # likewise
    "mxfp8": Method((ACCELERATE,)),  # likewise
    "quanto": Method(("optimum-quanto", ACCELERATE)),
    "quark": Method(("amd-quark>=0.12",)),
    "sinq": Method(("sinq",)),
    "spqr": Method(("spqr_quant[gpu]", ACCELERATE), ANY_GPU),
    "torchao": Method(("torchao>=0.15",)),
    "vptq": Method(("vptq>=0.0.4", ACCELERATE), ANY_GPU),
}


def check(spec: EngineSpec, checkpoint: Path) -> None:
    """Raise `EngineError` for what can't be quantized or isn't understood, before torch is there.

    `checkpoint` is the .gguf file or the directory that the source stands for.
    """
    stored = quantization_of(checkpoint)
    if spec.quantization != "none":
        _check_runtime(spec, stored)
    if stored and spec.load_format == "dummy" and stored != GGUF:
        raise EngineError(
            Reason.CONFIG,
            f"load_format 'dummy' makes plain weights, and {checkpoint} asks for {stored};"
            " remove quantization_config from its config.json",
        )
    for method in (stored, RUNTIME.get(spec.quantization, "")):
        if lack := missing_packages(method):
            raise EngineError(Reason.CONFIG, _needs(method, lack))


def check_device(checkpoint: Path, device: str) -> None:
    """Raise `EngineError` where `device` does not compute with the weights of `checkpoint`."""
    method = quantization_of(checkpoint)
    if lack := missing_device(method, [] if device == "cpu" else [capability(device)]):
        raise EngineError(Reason.CONFIG, _needs(method, lack))


def _check_runtime(spec: EngineSpec, stored: str) -> None:
    if stored not in {"", GGUF}:  # a GGUF file is unpacked before it is quantized anew
        raise EngineError(
            Reason.CONFIG,
            f"quantization '{spec.quantization}' needs plain weights, and the checkpoint is"
            f" quantized by {stored} already; remove quantization",
        )


def needs_bitsandbytes(spec: EngineSpec, checkpoint: Path) -> bool:
    return BITSANDBYTES in {quantization_of(checkpoint), RUNTIME.get(spec.quantization)}


def _needs(method: str, lack: str) -> str:
    return f"weights quantized by {method} need {lack}"


def missing_packages(method: str) -> str:
    """What has to be installed for `method`, and by which command; "" if nothing has."""
    return missing(METHODS.get(method, Method()).requirements)


def missing_device(method: str, capabilities: list[Capability]) -> str:
    """The device that `method` needs where none of these is one; "" if nothing is missing."""
    needed = METHODS.get(method, Method()).capability
    if needed is None or any(each >= needed for each in capabilities):
        return ""
    if needed == ANY_GPU:
        return "an NVIDIA GPU"
    return f"an NVIDIA GPU with compute capability {needed[0]}.{needed[1]} or higher"


def capability(device: str) -> Capability:
    import torch

    return torch.cuda.get_device_capability(torch.device(device))


def is_quantized(model: Any) -> bool:
    return getattr(model, "hf_quantizer", None) is not None


def arguments(spec: EngineSpec, dtype: Any, device: str) -> dict[str, Any]:
    """What `from_pretrained` is told, so that it quantizes the weights that it reads."""
    # At each multiplication it tells that 8-bit inputs are cast: that is how the method works.
    logging.getLogger(BITSANDBYTES).setLevel(logging.ERROR)
    if spec.quantization == "none":
        return {}
    from transformers import BitsAndBytesConfig

    if spec.quantization == "bnb-8bit":
        config = BitsAndBytesConfig(load_in_8bit=True)  # LLM.int8(): outliers stay in 16 bits
    else:
        # NF4 with double quantization: QLoRA, arXiv 2305.14314
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    return {"quantization_config": config, "device_map": {"": device}}
