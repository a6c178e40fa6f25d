"""How much a model is to reason, in the variables of its chat template."""

from collections.abc import Set as AbstractSet
from typing import Any

from serve_daemon.gateway.common.errors import ApiError, invalid

EFFORT = "reasoning_effort"
SWITCHES = ("enable_thinking", "thinking")  # true or false, in one template or another
NEUTRAL = ("none", "medium")  # what asks a model that always reasons for nothing else
BUDGET = "thinking_budget"  # tokens


def effort_variables(
    effort: str | None, known: AbstractSet[str], *, thinks: bool, field: str
) -> dict[str, Any]:
    """What the template is told of `effort`; `known` are its variables.

    `thinks`: whether the model's answers may begin with reasoning. Raises `ApiError` 400 for an
    effort that can't be told, by the name of the `field` that asks for it.
    """
    if effort is None:
        return {}
    switch = next((name for name in SWITCHES if name in known), "")
    told: dict[str, Any] = {switch: effort != "none"} if switch else {}
    if EFFORT in known and (effort != "none" or not switch):
        told[EFFORT] = effort
    if not told and effort not in (NEUTRAL if thinks else ("none",)):
        raise _refusal(effort, field, thinks=thinks)
    return told


def thinking_variables(
    thinking: bool | None, budget: int | None, known: AbstractSet[str], *, thinks: bool
) -> dict[str, Any]:
    """What the template is told of whether the model is to reason, and in how many tokens.

    Raises `ApiError` 400 for what this model can't but do otherwise.
    """
    if thinking is None:
        return {}
    switch = next((name for name in SWITCHES if name in known), "")
    told: dict[str, Any] = {switch: thinking} if switch else {}
    if not told and thinking != thinks:
        why = "it always reasons" if thinks else "it does not reason"
        kind = "enabled" if thinking else "disabled"
        message = f"Unsupported value: 'thinking' can't be '{kind}' with this model: {why}."
        raise invalid(message, "thinking", "unsupported_value")
    if budget is not None and BUDGET in known:
        told[BUDGET] = budget
    return told


def _refusal(effort: str, field: str, *, thinks: bool) -> ApiError:
    why = (
        "it always reasons, and its chat template has no variable for how much"
        if thinks
        else "it does not reason"
    )
    message = (
        f"Unsupported value: '{field}' does not support '{effort:.80}' with this model: {why}."
    )
    return invalid(message, field, "unsupported_value")
