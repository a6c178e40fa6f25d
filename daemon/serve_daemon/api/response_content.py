"""The contents of input items: strings, or arrays of parts, whose texts are joined."""

from collections.abc import Mapping
from typing import Any

from serve_daemon.api.fields import Field, Table, group, only, text, wrong_type
from serve_daemon.api.images import image_url
from serve_daemon.api.schemas import Described, array_of, described
from serve_daemon.api.variants import Variant, variant


@described({"type": "array"})
def past(value: Any, path: str) -> None:
    """What belongs to a text that was put out, and says nothing to a model."""
    if not isinstance(value, list):
        raise wrong_type(path, "an array", value)


_BREAKPOINT = Field(
    group({"mode": Field(only("explicit")), "ttl": Field(text)}), note="every prompt is cached"
)
_TEXT: Table = {"type": Field(text), "text": Field(text, "text", required=True)}
_INPUT_TEXT: Table = {**_TEXT, "prompt_cache_breakpoint": _BREAKPOINT}
_INPUT_IMAGE: Table = {
    "type": Field(text),
    "image_url": Field(image_url, "text", required=True),
    "detail": Field(only("auto", "low", "high", "original")),
    "file_id": Field(only(reason="no files are kept here; send the image in 'image_url'")),
    "prompt_cache_breakpoint": _BREAKPOINT,
}
_OUTPUT_TEXT: Table = {**_TEXT, "annotations": Field(past), "logprobs": Field(past)}
_REFUSAL: Table = {"type": Field(text), "refusal": Field(text, "text", required=True)}

SAID: Mapping[str, Table] = {
    "input_text": _INPUT_TEXT,
    "output_text": _OUTPUT_TEXT,
    "refusal": _REFUSAL,
    "input_image": _INPUT_IMAGE,
}
PUT_OUT: Mapping[str, Table] = {"input_text": _INPUT_TEXT, "input_image": _INPUT_IMAGE}
THOUGHT: Mapping[str, Table] = {
    "reasoning_text": _TEXT,
    "summary_text": _TEXT,
    "output_text": _OUTPUT_TEXT,
    "text": _TEXT,
}
_TEXT_ONLY = "the models that are served here read text only"
REFUSED: Mapping[str, str] = {
    "input_file": f"{_TEXT_ONLY}; send the text that is in the file",
    "input_audio": _TEXT_ONLY,
    "input_video": _TEXT_ONLY,
}


def _joined(part: Variant, parts: list[Any], path: str, between: str = "") -> str:
    texts = (part(each, f"{path}[{index}]")[1]["text"] for index, each in enumerate(parts))
    return between.join(texts)


def _content(part: Variant) -> Described[str]:
    @described({"anyOf": [{"type": "string"}, array_of(part.schema)]})
    def read(value: Any, path: str) -> str:
        if isinstance(value, str):
            return value
        if not isinstance(value, list):
            raise wrong_type(path, "a string or an array of parts", value)
        return _joined(part, value, path)

    return read


spoken_text = _content(variant(SAID, refused=REFUSED))  # of a message
output_text = _content(variant(PUT_OUT, refused=REFUSED))  # of a function call
_thought = variant(THOUGHT)


@described(array_of(_thought.schema))
def reasoning_text(value: Any, path: str) -> str:
    """The content, or the summary, of a reasoning item: parts."""
    if not isinstance(value, list):
        raise wrong_type(path, "an array of parts", value)
    return _joined(_thought, value, path, between="\n")
