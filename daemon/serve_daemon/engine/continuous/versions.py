"""What differs between the versions of Transformers that may be installed: 5.17 and later."""

import dataclasses
from typing import Any

from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching.utils import WorkloadHints

FIELDS = frozenset(field.name for field in dataclasses.fields(ContinuousBatchingConfig))


def manager_config(**values: Any) -> ContinuousBatchingConfig:
    """The manager's configuration, in the words of the version that is installed."""
    if "page_size" not in FIELDS:
        values["block_size"] = values.pop("page_size")
    return ContinuousBatchingConfig(**{name: values[name] for name in values if name in FIELDS})


def longest_sequence(config: ContinuousBatchingConfig, model: Any) -> WorkloadHints:
    """How long a sequence can get, by which the manager sizes its tables of pages."""
    page_tokens = getattr(config, "page_size", None) or config.block_size
    positions = model.config.get_text_config().max_position_embeddings
    return WorkloadHints(max_prompt_length=min(config.num_blocks * page_tokens, positions))


def wake_up_event(manager: Any) -> str:
    """The name of the event that the manager's thread waits for when it has nothing to do."""
    return "_wake_up_loop" if hasattr(manager, "_wake_up_loop") else "_has_new_requests"


def has_full_attention_only(config: Any) -> bool:
    """Whether all layers keep all keys, in a cache that hands out its pages to us."""
    try:
        from transformers.generation.continuous_batching.cache_allocators import FULL_ATTENTION
    except ImportError:  # before there were allocators
        return False
    from transformers.generation.continuous_batching.cache import group_layers_by_attn_type

    return set(group_layers_by_attn_type(config)) == {FULL_ATTENTION}
