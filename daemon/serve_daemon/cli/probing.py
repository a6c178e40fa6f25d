"""What a source holds, looked at before it is served: its files' headers, or what the Hub tells."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from msgspec import Struct

from serve_daemon.config import gguf_header, model_kind
from serve_daemon.config.architecture import Architecture, architecture_of
from serve_daemon.config.checkpoint import quantization_of
from serve_daemon.config.drivable import GGUF_ARCHITECTURES, MODEL_TYPES
from serve_daemon.config.located import located
from serve_daemon.config.sources import GGUF_SUFFIX, HubSource, PackageFile, choose_file, parse
from serve_daemon.config.tensors import Tensor, dtype_of, tensors_of
from serve_daemon.engine.fetching import network_errors
from serve_daemon.engine.hub import wanted_files

EMBEDDING_GGUF = frozenset({"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "t5encoder"})
# ggml's numbers of the types that files are made of.
GGML_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    20: "IQ4_NL",
    23: "IQ4_XS",
    30: "BF16",
    39: "MXFP4",
}


class Unfit(Exception):  # noqa: N818 - it names what was found
    """It can't be served, or not be looked at: why, and what to do."""


class Found(Struct, frozen=True, kw_only=True):
    """A model, as far as its headers tell."""

    source: str
    architecture: str  # as Transformers, or llama.cpp, names it
    format: str
    engine: str
    why_engine: str
    parameters: int = 0  # 0: not known
    weight_bytes: int = 0
    download_bytes: int = 0  # 0: it is on this machine
    context: int = 0
    notes: tuple[str, ...] = ()


def probe(source: str, python: str) -> Found:
    """Look at a source; `python` is the interpreter of engines. Raises `Unfit`, `SourceError`."""
    named = parse(source)
    path = located(source, python)
    if path is not None:
        return _of_path(source, path)
    if isinstance(named, HubSource):
        return _of_hub(source, named)
    if isinstance(named, PackageFile):
        raise Unfit(f"{source}: no installed package {named.package} of engines has such a file")
    raise Unfit(f"{source}: there is nothing")


# ---------------------------------------------------------------- on this machine


def _of_path(source: str, path: Path) -> Found:
    try:
        if path.suffix == GGUF_SUFFIX:
            return _of_gguf(source, path)
        tensors = tensors_of(path)
        sizes = architecture_of(path)
    except FileNotFoundError as error:
        raise Unfit(f"{error.filename}: is missing, so this is no checkpoint") from error
    except (OSError, ValueError, LookupError) as error:
        raise Unfit(f"{source} can't be read: {error}") from error
    if not tensors:
        raise Unfit(f"{path} has no safetensors; a GGUF file is named by its own path")
    return _of_folder(source, path, tensors, sizes)


def _of_gguf(source: str, path: Path) -> Found:
    header = gguf_header.read(path)
    kind = str(header.metadata.get("general.architecture", ""))
    if kind in EMBEDDING_GGUF:
        raise Unfit(f"{source} is an embedding model in a GGUF file; engines read safetensors")
    types = Counter[int]()
    tensors = tensors_of(path)
    for tensor, described in zip(tensors, header.tensors, strict=True):
        types[described.type] += tensor.values
    ((most, _),) = types.most_common(1)
    engine, why = _engine(kind in GGUF_ARCHITECTURES, kind)
    return Found(
        source=source,
        architecture=kind,
        format=f"GGUF, {GGML_TYPES.get(most, f'type {most}')}",
        engine=engine,
        why_engine=why,
        parameters=sum(types.values()),
        weight_bytes=path.stat().st_size,
        context=architecture_of(path).max_positions,
    )


def _of_folder(source: str, folder: Path, tensors: list[Tensor], sizes: Architecture) -> Found:
    stored = quantization_of(folder)
    weights = sum(each.bytes for each in tensors)
    dtype = stored or sizes.dtype or dtype_of(tensors)
    return _described(
        source,
        folder,
        format=f"safetensors, {dtype}",
        parameters=0 if stored else sum(each.values for each in tensors),
        weight_bytes=weights,
    )


def _described(source: str, folder: Path, **known: Any) -> Found:
    """By the config.json in a folder, with what is `known` of the weights."""
    config = model_kind.read_json(folder / model_kind.CONFIG)
    kind = str(config.get("model_type", ""))
    if config.get("is_encoder_decoder"):
        raise Unfit(f"{source} ({kind}) has an encoder and a decoder, which no engine serves")
    names = config.get("architectures") or [""]
    text = config.get("text_config") or config
    engine, why = _engine(kind in MODEL_TYPES, kind)
    context = text.get("max_position_embeddings") or 0
    if model_kind.is_embedding_model(folder, config):
        engine, why = model_kind.EMBEDDING, "it makes vectors, not text"
        context = model_kind.longest_text(folder) or context
    code = ("it comes with Python code of its own: --set trust_remote_code=true runs it",)
    return Found(
        source=source,
        architecture=f"{names[0]} ({kind})" if names[0] else kind,
        engine=engine,
        why_engine=why,
        context=int(context),
        notes=code if "auto_map" in config else (),
        **known,
    )


def _engine(is_drivable: bool, kind: str) -> tuple[str, str]:
    if is_drivable:
        return "compiled", f"it drives {kind}, several times as fast on a CPU"
    return "continuous", f"compiled is not known to drive {kind or 'it'}"


# ---------------------------------------------------------------- on the Hub


def _of_hub(source: str, named: HubSource) -> Found:
    """By what the Hub says of it and its config.json: no weights are downloaded."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = HfApi().model_info(
            named.repository, revision=named.revision or None, files_metadata=True
        )
        sizes = {each.rfilename: each.size or 0 for each in info.siblings or []}
        file = named.file or choose_file(named.repository, list(sizes))
        if file:
            return _hub_gguf(source, file, sizes, getattr(info, "gguf", None) or {})
        return _hub_folder(source, named, sizes, info.safetensors)
    except RepositoryNotFoundError as error:
        message = f"{named.repository} is not on the Hub, or needs HF_TOKEN"
        raise Unfit(message) from error
    except network_errors() as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"the Hub can't be asked about {named.repository}: {reason}"
        raise Unfit(f"{message}; --no-probe adds it without a look") from error


def _hub_gguf(source: str, file: str, sizes: dict[str, int], told: dict[str, Any]) -> Found:
    if file not in sizes:
        known = ", ".join(sorted(name for name in sizes if name.endswith(GGUF_SUFFIX))) or "none"
        raise Unfit(f"{source}: there is no such file; those of its format: {known}")
    kind = str(told.get("architecture", ""))
    if kind in EMBEDDING_GGUF:
        raise Unfit(f"{source} is an embedding model in a GGUF file; engines read safetensors")
    engine, why = _engine(kind in GGUF_ARCHITECTURES, kind)
    return Found(
        source=source,
        architecture=kind,
        format=f"GGUF, {file}",
        engine=engine,
        why_engine=why,
        parameters=int(told.get("total") or 0),
        weight_bytes=sizes[file],
        download_bytes=sizes[file],
        context=int(told.get("context_length") or 0),
    )


def _hub_folder(source: str, named: HubSource, sizes: dict[str, int], told: Any) -> Found:
    from huggingface_hub import hf_hub_download

    wanted = wanted_files(list(sizes), with_weights=True, with_code=False)
    weights = sum(sizes[name] for name in wanted if name.endswith(".safetensors"))
    parameters = dict(getattr(told, "parameters", None) or {})
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in (model_kind.CONFIG, "tokenizer_config.json", model_kind.MODULES):
            if name in sizes:
                hf_hub_download(
                    named.repository, name, revision=named.revision or None, local_dir=folder
                )
        stored = quantization_of(folder)
        config = json.loads((folder / model_kind.CONFIG).read_bytes())
        dtype = stored or str(config.get("dtype") or config.get("torch_dtype") or "unknown type")
        return _described(
            source,
            folder,
            format=f"safetensors, {dtype}",
            parameters=0 if stored else sum(parameters.values()),
            weight_bytes=weights,
            download_bytes=sum(sizes[name] for name in wanted),
        )
