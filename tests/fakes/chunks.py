"""What a stream of chat completions or completions says, put together."""

from typing import Any

import msgspec


def read_chunks(text: str) -> list[dict[str, Any]]:
    """The JSON events of a stream."""
    frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    assert frames.pop() == "data: [DONE]"
    return [msgspec.json.decode(frame.removeprefix("data: ")) for frame in frames]


def choices_of(chunks: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    """The parts of one choice."""
    return [each for chunk in chunks for each in chunk["choices"] if each["index"] == index]
