"""A model without weights: all that its config tells, and its modules."""

from typing import Any


def model_of(config: Any, dtype: Any, options: dict[str, Any] | None = None) -> Any:
    """Of `config`: parameters are on the meta device, buffers are as they will be.

    So what Transformers computes when it makes a model, such as the frequencies of rotary
    positions, is right. Tied parameters are the same object.
    """
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM

    with init_empty_weights(include_buffers=False):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, **options or {})
    model.tie_weights()
    return model


def aliases(model: Any) -> dict[str, str]:
    """Of each parameter that is tied to another, the name of that one."""
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        first.setdefault(id(parameter), name)
    return {
        name: first[id(parameter)]
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if first[id(parameter)] != name
    }
