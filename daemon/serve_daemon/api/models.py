"""The replies of GET /v1/models and /v1/models/MODEL, as OpenAI and Anthropic have them."""

from typing import Literal

from msgspec import Struct

Kind = Literal["generation", "embedding"]

ENDPOINTS: dict[Kind, list[str]] = {
    "generation": [
        "/v1/responses",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/messages",
        "/tokenize",
        "/detokenize",
    ],
    "embedding": ["/v1/embeddings", "/tokenize", "/detokenize"],
}


class Features(Struct, frozen=True):
    """What the model can do; null where that is known only once an engine is ready."""

    tools: bool
    structured_outputs: bool
    logprobs: bool
    reasoning: bool | None


class ModelReply(Struct, frozen=True, kw_only=True):
    """One model, by the name that clients call it; what OpenAI's API has not comes last."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["serve-daemon"] = "serve-daemon"
    aliases: list[str]
    state: str
    reason: str  # for people, where the state is no good news
    kind: Kind
    endpoints: list[str]
    features: Features
    engine: str
    quantization: str
    # Of an engine that is ready, else null.
    max_model_len: int | None = None  # tokens, prompt and answer together
    max_requests: int | None = None  # at once; more wait
    device: str | None = None
    dtype: str | None = None
    attn_implementation: str | None = None
    dimensions: int | None = None  # of an embedding


class ModelList(Struct, frozen=True):
    data: list[ModelReply]
    object: Literal["list"] = "list"


class AnthropicModel(Struct, frozen=True, kw_only=True, tag_field="type", tag="model"):
    """One model in the form of Anthropic's API."""

    id: str
    display_name: str
    created_at: str  # RFC 3339
    lifecycle: Literal["active"] = "active"
    max_input_tokens: int | None
    max_tokens: int | None
    capabilities: None = None
    deprecated_at: None = None
    line: None = None
    retires_at: None = None


class AnthropicModelList(Struct, frozen=True, kw_only=True):
    """A page of models."""

    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None
