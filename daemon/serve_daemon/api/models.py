"""The replies of GET /v1/models."""

from msgspec import Struct


class ModelReply(Struct, frozen=True):
    """One model, by the name that clients call it."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "serve-daemon"


class ModelList(Struct, frozen=True):
    data: list[ModelReply]
    object: str = "list"
