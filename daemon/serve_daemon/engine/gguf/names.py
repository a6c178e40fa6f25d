"""Where each tensor of a GGUF file belongs in the Transformers model, and in which order of rows.

Transformers knows: it has a table of names, and processors that undo what llama.cpp does to some
weights. What a processor does to rows is found by giving it their numbers in place of the weights.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serve_daemon.config.gguf_header import GgufTensor

ROW_PARTS = 2  # columns of the stand-in for a weight


class CannotKeepError(Exception):
    """The model has to be de-quantized; says why."""


class Names:
    """Of the tensors of a file of `architecture`, in a `model` that may be on the meta device."""

    def __init__(self, model: Any, architecture: str) -> None:
        self._model, self._architecture = model, architecture
        _check_reader(architecture)

    def target(self, tensor: GgufTensor) -> str | None:
        """The name of the model's parameter; None for what Transformers leaves out."""
        known = self._table
        return known.get(tensor.name) or known.get(tensor.name.removesuffix(".weight"))

    def rows(self, tensor: GgufTensor) -> Tensor | None:
        """Which row of `tensor` comes where, int64 [rows].

        None where the parameter is more than its rows in some order.
        """
        numbers = np.arange(tensor.shape[0] * ROW_PARTS, dtype=np.float64).reshape(-1, ROW_PARTS)
        try:
            processed = self._process(tensor.name, numbers)
        except (ValueError, LookupError):  # it is about columns as well
            return None
        if processed is None or processed.shape != numbers.shape:
            return None
        order = (processed[:, 0] // ROW_PARTS).astype(np.int64)
        is_order = np.array_equal(np.sort(order), np.arange(len(order)))
        if not is_order or not np.array_equal(processed, numbers[order]):
            return None
        return torch.from_numpy(order)

    def values(self, target: str, sources: Sequence[tuple[str, Any]]) -> Tensor:
        """The parameter `target` in float32, of the names and values of the file's tensors."""
        gathered: dict[str, Any] = {"tensors": {}}
        for name, values in sources:
            processed = self._process(name, values, gathered)
            if processed is not None:
                return torch.from_numpy(np.ascontiguousarray(processed))
        if target not in gathered["tensors"]:
            raise CannotKeepError(f"{sources[0][0]} is spread over several weights")
        whole: Tensor = gathered["tensors"][target]
        return whole

    def _process(self, name: str, values: Any, gathered: dict[str, Any] | None = None) -> Any:
        """What Transformers makes of the values; None where it has put them into `gathered`."""
        gathered = {"tensors": {}} if gathered is None else gathered
        result = self._processor.process(
            weights=values, name=name, tensor_key_mapping=self._table, parsed_parameters=gathered
        )
        return result.weights if result.name == name else None

    @cached_property
    def _processor(self) -> Any:
        from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

        make = TENSOR_PROCESSORS.get(self._architecture, TensorProcessor)
        return make(config=self._model.config.to_dict())

    @cached_property
    def _table(self) -> dict[str, str]:
        from transformers.modeling_gguf_pytorch_utils import get_gguf_hf_weights_map

        try:
            found = get_gguf_hf_weights_map(_Outer(self._model), self._processor)
        except NotImplementedError as error:
            raise CannotKeepError(str(error)) from error
        return dict(found)


class _Inner:
    """What Transformers asks of a module to find its names: it would go through every module below.

    Beside those of the whole model, only the names in its decoder stand in the table of names.
    """

    def __init__(self, module: Any) -> None:
        self.config = module.config
        self._names = list(module.state_dict())

    def state_dict(self) -> list[str]:
        return self._names

    def named_children(self) -> "list[tuple[str, _Inner]]":
        return []


class _Outer(_Inner):
    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._children = list(_decoder(model))

    def named_children(self) -> list[tuple[str, _Inner]]:
        return self._children


def _decoder(model: Any) -> Iterator[tuple[str, _Inner]]:
    if model.base_model is not model:
        yield model.base_model_prefix, _Inner(model.base_model)


def _check_reader(architecture: str) -> None:
    """Raise `CannotKeepError` for what newer versions of Transformers read in another way."""
    try:
        from transformers.integrations.gguf import GGUF_ARCHS
    except ImportError:
        return
    if architecture in GGUF_ARCHS:
        raise CannotKeepError(f"Transformers reads the architecture {architecture} in another way")
