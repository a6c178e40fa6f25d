"""The requests and the replies of POST /tokenize and /detokenize, as vLLM has them."""

from msgspec import Struct

from serve_daemon.api.chat_completions import check_continuation, template_variables
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, Table, boolean, missing, only, read_object, text
from serve_daemon.api.messages import chat_messages
from serve_daemon.api.requests import GenerationRequest, decode_body
from serve_daemon.api.sampling import token_ids
from serve_daemon.api.tools import chat_tools

MAX_TOKENS_AT_ONCE = 2**20


TOKENIZE: Table = {
    "model": Field(text, "model", required=True),
    "prompt": Field(text, "prompt"),
    "messages": Field(chat_messages, "messages"),
    "tools": Field(chat_tools, "tools", note="with messages"),
    "add_generation_prompt": Field(boolean, "add_generation_prompt", note="with messages"),
    "continue_final_message": Field(boolean, "continue_final_message", note="with messages"),
    "chat_template_kwargs": Field(template_variables, "template_variables", note="with messages"),
    "chat_template": Field(only(reason="the template is the one that came with the model")),
    "mm_processor_kwargs": Field(only(reason="the models read text alone")),
    "add_special_tokens": Field(boolean, "add_special_tokens"),
    "return_token_strs": Field(boolean, "return_token_strs"),
}
DETOKENIZE: Table = {
    "model": Field(text, "model", required=True),
    "tokens": Field(token_ids(MAX_TOKENS_AT_ONCE), "tokens", required=True),
}
_ONLY_WITH_MESSAGES = (
    "tools",
    "add_generation_prompt",
    "continue_final_message",
    "template_variables",
)


class TokenizeRequest(GenerationRequest, frozen=True, kw_only=True):
    """A good body of /tokenize: a prompt, or messages."""

    return_token_strs: bool = False


class DetokenizeRequest(Struct, frozen=True):
    model: str
    tokens: list[int]


def read_tokenize_request(body: bytes) -> TokenizeRequest:
    """The request that `body` makes. Raises `InvalidRequest`."""
    attributes = read_object(TOKENIZE, decode_body(body))
    if "prompt" not in attributes and "messages" not in attributes:
        raise missing("prompt")
    if "prompt" in attributes:
        for name in ("messages", *_ONLY_WITH_MESSAGES):
            if name in attributes:
                given = "chat_template_kwargs" if name == "template_variables" else name
                message = f"Invalid '{given}': it has no meaning for a 'prompt'."
                raise InvalidRequest(message, given, "invalid_value")
    check_continuation(attributes)
    return TokenizeRequest(**{"add_special_tokens": "prompt" in attributes, **attributes})


def read_detokenize_request(body: bytes) -> DetokenizeRequest:
    """The request that `body` makes. Raises `InvalidRequest`."""
    return DetokenizeRequest(**read_object(DETOKENIZE, decode_body(body)))


class Tokenized(Struct, frozen=True):
    """The reply of /tokenize."""

    count: int
    max_model_len: int  # tokens, prompt and answer together
    tokens: list[int]
    token_strs: list[str] | None = None  # as the vocabulary has them


class Detokenized(Struct, frozen=True):
    """The reply of /detokenize."""

    prompt: str
