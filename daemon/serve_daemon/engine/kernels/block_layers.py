"""Layers of a model over block-quantized weights."""

import torch
from torch import Tensor, nn

from serve_daemon.engine.kernels import block_operators, build


def is_fast() -> bool:
    """Whether compiled operators are in place for this CPU; call `build.load` before."""
    library = build.library()
    return library is not None and library.serve_daemon_block_level() > 0


class BlockLinear(nn.Module):
    """A linear layer whose weight is `blocks.pack`'s.

    It has no `weight`, so it can be neither trained nor tied.
    """

    packed_weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        packed_weight: Tensor,
        bias: Tensor | None,
        layout: int,
        in_features: int,
        out_features: int,
    ) -> None:
        super().__init__()
        self.layout, self.in_features, self.out_features = int(layout), in_features, out_features
        self.register_buffer("packed_weight", packed_weight)
        self.register_buffer("bias", bias)

    def forward(self, rows: Tensor) -> Tensor:
        """`rows` [..., in_features] to [..., out_features], bfloat16 or float32."""
        result: Tensor = block_operators.block_linear(
            rows, self.packed_weight, self.bias, self.layout, self.out_features
        )
        return result

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"


class BlockHead(BlockLinear):
    """One that makes logits: they are float32 whatever the model computes in, and never rounded."""

    def forward(self, rows: Tensor) -> Tensor:
        """`rows` [..., in_features] to float32 [..., out_features]."""
        return super().forward(rows.float())


class BlockEmbedding(nn.Module):
    """A table of vectors that is `blocks.pack`'s; a BlockLinear may share it."""

    packed_weight: Tensor

    def __init__(
        self,
        packed_weight: Tensor,
        layout: int,
        num_embeddings: int,
        embedding_dim: int,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.layout, self.dtype = int(layout), dtype
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.register_buffer("packed_weight", packed_weight)

    def forward(self, ids: Tensor) -> Tensor:
        """`ids` [...] to [..., embedding_dim] of `dtype`."""
        result: Tensor = block_operators.block_embedding(
            ids.to(torch.int64),  # engine continuous has them in 32 bits
            self.packed_weight,
            self.layout,
            self.num_embeddings,
            self.embedding_dim,
            self.dtype,
        )
        return result

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, dtype={self.dtype}"
