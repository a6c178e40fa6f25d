"""How long answers should be: said to the model in an instruction, as no template knows of it."""

from collections.abc import Sequence

from serve_daemon.api.fields import Field, only
from serve_daemon.api.messages import ChatMessage

INSTRUCTIONS = {
    "low": "Answer as briefly as you can.",
    "medium": "",  # as the model answers by itself
    "high": "Answer at length and in detail.",
}
INSTRUCTING = ("system", "developer")

VERBOSITY = Field(
    only(*INSTRUCTIONS), "verbosity", note="low and high are said to the model in an instruction"
)


def with_verbosity(messages: Sequence[ChatMessage], verbosity: str) -> list[ChatMessage]:
    """The conversation, whose first instructions end with how long the answer should be."""
    instruction = INSTRUCTIONS[verbosity]
    if not instruction:
        return list(messages)
    count = 0
    while count < len(messages) and messages[count].role in INSTRUCTING:
        count += 1
    return [*messages[:count], ChatMessage("system", instruction), *messages[count:]]
