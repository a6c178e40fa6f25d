"""Which endpoints a model is for: it generates text, or makes vectors of it."""

from serve_daemon.gateway.common.errors import ApiError, invalid
from serve_daemon.wire.messages import EngineReady, Kind

WRONG = {
    Kind.EMBEDDING: "The model '{model}' is an embedding model; use /v1/embeddings.",
    Kind.GENERATION: (
        "The model '{model}' generates text, and makes no embeddings; use /v1/responses or"
        " /v1/chat/completions."
    ),
}


def require(kind: Kind, ready: EngineReady, model: str) -> None:
    """Raise `ApiError` 400 where the model's engine is of another kind."""
    if ready.kind is not kind:
        raise _wrong(ready.kind, model)


def _wrong(kind: Kind, model: str) -> ApiError:
    return invalid(WRONG[kind].format(model=model), "model", "unsupported_model")
