"""What the gateway reads of a model: its tokenizer, its chat template, its defaults."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from tokenizers import Tokenizer

from serve_daemon.gateway.common import heap
from serve_daemon.gateway.common.errors import failed, invalid
from serve_daemon.gateway.text.token_bytes import TokenBytes
from serve_daemon.wire import code


class Defaults(Struct, frozen=True):
    """How the model's makers want it sampled, else as OpenAI's API does."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0


class TextModel(Struct, frozen=True):
    """The text side of one model."""

    tokenizer: Tokenizer
    token_bytes: TokenBytes
    fingerprint: str  # equal for equal tokenizers
    chat_template: str  # "" where the model has none
    variables: dict[str, str]  # special tokens that chat templates name
    defaults: Defaults
    response_template: str = ""  # how answers are written, as JSON; "" where that isn't told
    special_tokens: tuple[str, ...] = ()  # that decoding leaves out
    special_ids: tuple[int, ...] = ()  # of these


class TextModels:
    """Those of all routed models, read once for each artefact directory."""

    def __init__(self) -> None:
        self._models: dict[str, asyncio.Future[TextModel]] = {}

    def apply(self, directories: set[str]) -> None:
        """Read the new ones ahead of the first request, forget those that are gone."""
        for directory in self._models.keys() - directories:
            del self._models[directory]
        for directory in directories:
            self._begin(directory)

    async def get(self, directory: str) -> TextModel:
        """The text side of an engine with these artefacts.

        Raises `ApiError` 400 where the model has no tokenizer, 500 where it can't be read.
        """
        try:
            return await asyncio.shield(self._begin(directory))
        except FileNotFoundError as error:
            del self._models[directory]
            message = "The model has no tokenizer: its source brings no tokenizer.json."
            raise invalid(message, "model", "unsupported_model") from error
        except (OSError, ValueError) as error:
            del self._models[directory]
            raise failed(f"The model's tokenizer can't be read: {error}") from error

    def _begin(self, directory: str) -> asyncio.Future[TextModel]:
        if directory not in self._models:
            loop = asyncio.get_running_loop()
            reading = loop.run_in_executor(None, _read_and_tidy_up, Path(directory))
            reading.add_done_callback(_mark_retrieved)
            self._models[directory] = reading
        return self._models[directory]


def _mark_retrieved(reading: asyncio.Future[TextModel]) -> None:
    """Keep asyncio from complaining where nobody asked; `get` raises for whoever does."""
    if not reading.cancelled():
        reading.exception()


def _read_and_tidy_up(directory: Path) -> TextModel:
    try:
        return read_text_model(directory)
    finally:
        heap.give_back()  # a third of what reading a vocabulary has taken
        code.let_go()


def read_text_model(directory: Path) -> TextModel:
    """Read the artefacts of an engine.

    Raises `OSError` or `ValueError`.
    """
    template = directory / "chat_template.jinja"
    vocabulary = (directory / "tokenizer.json").read_bytes()
    configuration = _read_json(directory / "tokenizer_config.json")
    tokenizer = _read_tokenizer(directory, vocabulary)
    added = tokenizer.get_added_tokens_decoder()
    special = {number: token.content for number, token in added.items() if token.special}
    return TextModel(
        tokenizer=tokenizer,
        token_bytes=TokenBytes(tokenizer, vocabulary),
        fingerprint=hashlib.sha256(vocabulary).hexdigest(),
        chat_template=template.read_text(encoding="utf-8") if template.exists() else "",
        variables=special_tokens(configuration),
        defaults=read_defaults(_read_json(directory / "generation_config.json")),
        response_template=_as_text(configuration.get("response_template")),
        special_tokens=tuple(special.values()),
        special_ids=tuple(special),
    )


def _as_text(value: Any) -> str:
    return msgspec.json.encode(value).decode() if value else ""


def _read_tokenizer(directory: Path, vocabulary: bytes) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_buffer(vocabulary)
    except Exception as error:  # tokenizers raises no narrower type
        raise ValueError(f"{directory}/tokenizer.json: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def special_tokens(configuration: dict[str, Any]) -> dict[str, str]:
    """bos_token, eos_token and the like, which are strings or objects with a content."""
    tokens: dict[str, str] = {}
    for name, value in configuration.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            tokens[name] = text
    return tokens


def read_defaults(configuration: dict[str, Any]) -> Defaults:
    """The sampling that generation_config.json asks for."""
    given = {
        name: value
        for name in Defaults.__struct_fields__
        if (value := configuration.get(name)) is not None
    }
    if configuration.get("do_sample") is False:
        given["temperature"] = 0.0
    return msgspec.convert(given, Defaults)
