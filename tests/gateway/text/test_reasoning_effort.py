"""Whether a model is to reason, in the variables of its chat template."""

from typing import Any

import pytest

from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.text.reasoning_effort import thinking_variables


@pytest.mark.parametrize(
    ("thinking", "known", "thinks", "expected"),
    [
        (None, {"enable_thinking"}, True, {}),
        (True, {"enable_thinking"}, True, {"enable_thinking": True}),
        (False, {"thinking"}, True, {"thinking": False}),
        (True, set(), True, {}),
        (False, set(), False, {}),
        (True, {"thinking_budget"}, True, {"thinking_budget": 2000}),
        (True, {"thinking_budget", "thinking"}, True, {"thinking_budget": 2000, "thinking": True}),
    ],
)
def test_a_template_is_told_what_it_knows(
    thinking: bool | None, known: set[str], thinks: bool, expected: dict[str, Any]
) -> None:
    """Nothing where the model does by itself what is wanted."""
    assert thinking_variables(thinking, 2000, known, thinks=thinks) == expected


@pytest.mark.parametrize(("thinking", "thinks"), [(True, False), (False, True)])
def test_what_a_model_can_not_do_otherwise_is_refused(thinking: bool, thinks: bool) -> None:
    """By the field's name, with the reason."""
    with pytest.raises(ApiError, match="with this model: it") as refused:
        thinking_variables(thinking, None, set(), thinks=thinks)
    assert refused.value.body.param == "thinking"
