"""The reply of GET /ready."""

from msgspec import Struct


class ModelState(Struct, frozen=True):
    model: str
    state: str
    reason: str


class Readiness(Struct, frozen=True):
    """`status` is ready, not ready or draining; `waiting_for` lists what is missing."""

    status: str
    waiting_for: list[ModelState]
