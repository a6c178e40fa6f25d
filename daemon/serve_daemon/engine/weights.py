"""A model with its weights, in the type, in the bits and on the device that a spec asks for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from serve_daemon.config import dtypes, tensors
from serve_daemon.config.model_kind import EMBEDDING
from serve_daemon.engine import quantization
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineSpec, Reason

DUMMY_SEED = 0
NAMED = 3  # weights that an error names
UNUSED = ("pooler.",)  # weights that no vector is made with, whatever its pooling


def from_checkpoint(spec: EngineSpec, folder: Path, device: str) -> Any:
    """The model whose checkpoint is in `folder`.

    Raises `EngineError` where weights are missing, which Transformers would make up.
    """
    import torch
    from transformers import AutoConfig

    from serve_daemon.engine.gguf import folder as packed
    from serve_daemon.engine.gguf import model as in_blocks
    from serve_daemon.engine.mapped import ReadOnce

    if packed.is_packed(folder):
        return in_blocks.load(folder, _attention(spec))

    config = AutoConfig.from_pretrained(folder, trust_remote_code=spec.trust_remote_code)
    dtype = getattr(torch, dtype_of(spec, _named(config.dtype) or _stored(spec, folder), device))
    placement = {} if device == "cpu" else {"device_map": {"": device}}
    with ReadOnce():
        model, report = _auto_class(spec, config).from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            trust_remote_code=spec.trust_remote_code,
            output_loading_info=True,
            **placement | quantization.arguments(spec, dtype, device),
            **_attention(spec),
        )
    unused = UNUSED if spec.engine == EMBEDDING else ()
    missing = (name for name in report["missing_keys"] if not name.startswith(unused))
    _check_complete(missing, folder)
    return model


def dummy(spec: EngineSpec, folder: Path, device: str) -> Any:
    """A model with random weights, of the architecture that the config in `folder` describes."""
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=spec.trust_remote_code)
    dtype = getattr(torch, dtype_of(spec, _named(config.dtype), device))
    torch.manual_seed(DUMMY_SEED)
    with torch.device(device):
        model = _auto_class(spec, config).from_config(
            config, dtype=dtype, trust_remote_code=spec.trust_remote_code, **_attention(spec)
        )
    if spec.quantization == "none":
        return model
    return type(model).from_pretrained(
        None,
        config=config,
        state_dict=model.state_dict(),
        dtype=dtype,
        **quantization.arguments(spec, dtype, device),
        **_attention(spec),
    )


def dtype_of(spec: EngineSpec, checkpoint: str, device: str) -> str:
    """The type to compute in; `checkpoint` is that of the weights, "" where it isn't known."""
    kind = device.partition(":")[0]
    return dtypes.resolve(spec.dtype, checkpoint, kind, cpu_has_bf16=dtypes.this_cpu_has_bf16())


def _auto_class(spec: EngineSpec, config: Any) -> Any:
    """Of a model with encoder and decoder, vectors are the encoder's."""
    import transformers

    if spec.engine != EMBEDDING:
        return transformers.AutoModelForCausalLM
    is_pair = config.is_encoder_decoder
    return transformers.AutoModelForTextEncoding if is_pair else transformers.AutoModel


def _stored(spec: EngineSpec, folder: Path) -> str:
    """The type of the weights where no config names it; "" where that makes no difference.

    Models of vectors are mostly small and stored in the type that they are meant to compute in.
    """
    return tensors.dtype_of(tensors.tensors_of(folder)) if spec.engine == EMBEDDING else ""


def _attention(spec: EngineSpec) -> dict[str, str]:
    """What is left open is SDPA, or eager for the architectures that know nothing else."""
    name = spec.attn_implementation
    if name == "auto" or spec.engine == "compiled":  # which puts its own in its place
        return {}
    return {"attn_implementation": name}


def _named(dtype: object) -> str:
    return "" if dtype is None else str(dtype).removeprefix("torch.")


def _check_complete(missing: Iterable[str], folder: Path) -> None:
    names = sorted(missing)
    if names:
        more = ", ..." if len(names) > NAMED else ""
        raise EngineError(
            Reason.SOURCE,
            f"{folder} lacks {len(names)} of the model's weights, or Transformers doesn't read"
            f" them: {', '.join(names[:NAMED])}{more}",
        )
