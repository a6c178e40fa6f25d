"""What a grammar takes, found out with the real llguidance and a tokenizer of single bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from llguidance import LLMatcher, LLTokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from serve_daemon.api.output_format import TEXT, OutputFormat
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.api.tools import FunctionTool, ToolChoice

END = "<|end|>"
# The tokenizer takes the second for text, llguidance for a special token.
MARKS = (
    END,
    AddedToken("<tool_call>", special=False),
    "</tool_call>",
    "<think>",
    "</think>",
    "[C]",
    "[E]",
)


def make_tokenizer() -> Tokenizer:
    """One token for each byte, and the marks that models have for calls and thoughts."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    for mark in MARKS:
        if isinstance(mark, str):
            tokenizer.add_special_tokens([mark])
        else:
            tokenizer.add_tokens([mark])
    return tokenizer


TOKENIZER = make_tokenizer()
_VOCABULARY = LLTokenizer(TOKENIZER.to_str(), eos_token=TOKENIZER.token_to_id(END))


def takes(grammar: str, text: str) -> bool:
    """Whether `text` is a whole answer; the names of special tokens in it stand for the tokens."""
    matcher = LLMatcher(_VOCABULARY, grammar)
    assert not matcher.get_error()
    tokens = TOKENIZER.encode(text, add_special_tokens=False).ids
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def begins(grammar: str, text: str) -> bool:
    """Whether an answer may begin with `text`."""
    matcher = LLMatcher(_VOCABULARY, grammar)
    tokens = TOKENIZER.encode(text, add_special_tokens=False).ids
    return matcher.try_consume_tokens(tokens) == len(tokens)


def asking(
    form: OutputFormat = TEXT,
    tools: Sequence[FunctionTool] = (),
    choice: ToolChoice | None = None,
    *,
    parallel: bool = True,
) -> GenerationRequest:
    return GenerationRequest(
        model="m",
        tools=list(tools),
        tool_choice=choice or ToolChoice(),
        parallel_tool_calls=parallel,
        output_format=form,
    )


def schema(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A JSON schema of an object that has all of `properties`."""
    required = list(properties)
    return {"type": "object", "properties": dict(properties), "required": required, **more}
