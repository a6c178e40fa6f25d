"""Embeddings of a class of their own, such as those that scale what they look up."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from serve_daemon.engine.kernels.block_layers import BlockEmbedding

SMALL = 4  # rows of a table to try with


class OwnEmbedding(nn.Module):
    """Computes what `own` does, whose table is kept in blocks.

    The rows that are asked for are de-quantized; `own` is then given a table of these alone.
    """

    def __init__(self, table: BlockEmbedding, own: nn.Embedding) -> None:
        super().__init__()
        self.table, self.own = table, own
        del own.weight

    def forward(self, ids: Tensor) -> Tensor:
        """`ids` [...] to [..., embedding_dim]."""
        rows = self.table(ids).flatten(0, -2)
        numbers = torch.arange(rows.shape[0], device=ids.device).view(ids.shape)
        return _looked_up(self.own, rows, numbers)


def is_row_by_row(module: nn.Embedding) -> bool:
    """Whether all that matters to `module` is which rows its ids stand for."""
    if type(module).forward is nn.Embedding.forward:
        return True
    table = torch.randn(SMALL, module.embedding_dim)
    ids = torch.tensor([[SMALL - 1, 0, 0, 2]])
    numbers = torch.arange(ids.numel()).view(ids.shape)
    try:
        whole = _looked_up(module, table, ids)
        alone = _looked_up(module, table[ids.flatten()], numbers)
    except (TypeError, IndexError):  # it wants more than ids, or counts from another row
        return False
    return torch.equal(whole, alone)


def _looked_up(module: nn.Embedding, table: Tensor, ids: Tensor) -> Tensor:
    result: Tensor = functional_call(module, {"weight": table}, (ids,))
    return result
