"""The settings of a response that are objects or lists of their own."""

from collections.abc import Mapping
from typing import Any

from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    boolean,
    join,
    only,
    text,
    unsupported,
    wrong_type,
)
from serve_daemon.api.logprobs import INCLUDED_LOGPROBS
from serve_daemon.api.output_format import text_format
from serve_daemon.api.schemas import array_of, described
from serve_daemon.api.verbosity import VERBOSITY

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
INCLUDED_REASONING = "reasoning.encrypted_content"
INCLUDED = (
    INCLUDED_LOGPROBS,
    INCLUDED_REASONING,
    "message.input_image.image_url",  # an item is always listed with all that it came with
)
_HOSTED = "this server runs no tools, so there is nothing of them to include"
REFUSED_INCLUDES: Mapping[str, str] = dict.fromkeys(
    (
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
    ),
    _HOSTED,
)


@described(array_of({"enum": list(INCLUDED)}))
def included(value: Any, path: str) -> list[str]:
    """What `include` asks for beside what is always there."""
    if not isinstance(value, list):
        raise wrong_type(path, "an array of strings", value)
    for index, name in enumerate(value):
        where = f"{path}[{index}]"
        if text(name, where) not in INCLUDED:
            raise unsupported(where, name, REFUSED_INCLUDES.get(name, ""))
    return value


@described({"type": "object", "additionalProperties": {"type": "string"}})
def client_metadata(value: Any, path: str) -> None:
    """Strings by their names, of which there may be any number."""
    for name, said in as_object(value, path).items():
        text(said, join(path, name))


TEXT_SETTINGS: Table = {
    "format": Field(text_format, "output_format"),
    "verbosity": VERBOSITY,
}
_SUMMARY = only("auto", "concise", "detailed")
REASONING_SETTINGS: Table = {
    "effort": Field(
        only(*EFFORTS), "reasoning_effort", note="as far as the model's chat template knows of it"
    ),
    "summary": Field(_SUMMARY, "summary", note="drawn from the reasoning; auto: none"),
    "generate_summary": Field(_SUMMARY, "summary", note="deprecated: summary"),
    "context": Field(only("auto", reason="the model's chat template decides what it is told")),
    "mode": Field(only("standard", reason="models reason in one way")),
}
STREAM_SETTINGS: Table = {"include_obfuscation": Field(boolean, "is_obfuscated")}
