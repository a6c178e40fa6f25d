"""Linear layers in bfloat16: the C++ operator, its packed weights, and models that use it."""

import ctypes
import shutil

import pytest
import torch
from torch import Tensor, nn

from serve_daemon.engine.kernels import block_operators, build, linear, operators, reference

pytestmark = [
    pytest.mark.skipif(
        shutil.which("g++") is None and not build.BUILT_AHEAD.exists(), reason="no compiler"
    ),
    pytest.mark.usefixtures("library"),
]
PORTABLE = 0
ROWS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25, 64]
SHAPES = [(576, 576), (575, 33), (7, 1), (64, 100), (2048, 40), (4096, 64)]


def draw(*shape: int) -> Tensor:
    random = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=random).bfloat16()


def in_float32(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return nn.functional.linear(
        rows.float(), weight.float(), bias.float() if bias is not None else None
    )


def close(result: Tensor, wanted: Tensor) -> bool:
    """To the rounding of the result to bfloat16, and a little of float32's for the sum."""
    return torch.allclose(result.float(), wanted, rtol=2**-8, atol=1e-3)


@pytest.mark.parametrize("with_bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_any_number_of_rows_and_odd_sizes(
    threads: int, inputs: int, outputs: int, with_bias: bool
) -> None:
    """As float32 has it; and a row's result is the same to the last bit however many there are."""
    weight, bias = draw(outputs, inputs), draw(outputs) if with_bias else None
    packed, rows = reference.pack_bf16_weight(weight), draw(max(ROWS), inputs)
    whole = operators.bf16_linear(rows, packed, bias, outputs)
    assert close(whole, in_float32(rows, weight, bias))
    for number in ROWS:
        part = operators.bf16_linear(rows[-number:], packed, bias, outputs)
        assert torch.equal(part, whole[-number:]), number


def test_other_processors_may_run_it_too(library: ctypes.CDLL) -> None:
    """Slowly; `is_supported` says that it isn't worth it."""
    weight, bias, rows = draw(33, 65), draw(33), draw(3, 65)
    library.serve_daemon_limit_level(PORTABLE)
    try:
        result = operators.bf16_linear(rows, reference.pack_bf16_weight(weight), bias, 33)
        supported = linear.is_supported()
    finally:
        library.serve_daemon_limit_level(linear.AVX512_BF16)
    assert close(result, in_float32(rows, weight, bias))
    assert not supported


@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_packing_loses_nothing(inputs: int, outputs: int) -> None:
    """What was packed comes back; the reference computes by that."""
    weight, rows = draw(outputs, inputs), draw(3, inputs)
    packed = reference.pack_bf16_weight(weight)
    assert torch.equal(reference.unpack_bf16_weight(packed, outputs, inputs), weight)
    result = reference.bf16_linear(rows, packed, None, outputs)
    assert torch.equal(result, nn.functional.linear(rows, weight))


def test_leading_dimensions_stay() -> None:
    """Of any number, and those of a view; none at all, and no rows."""
    weight, rows = draw(40, 64), draw(6, 5, 64)
    packed = reference.pack_bf16_weight(weight)
    turned = operators.bf16_linear(rows.transpose(0, 1), packed, None, 40)
    assert torch.equal(turned, operators.bf16_linear(rows, packed, None, 40).transpose(0, 1))
    assert operators.bf16_linear(rows[0, 0], packed, None, 40).shape == (40,)
    assert operators.bf16_linear(rows[:0], packed, None, 40).shape == (0, 5, 40)


@pytest.mark.parametrize(("inputs", "rows"), [(64, 3), (63, 3), (2048, 8), (64, 0)])
def test_several_weights_over_one_input(inputs: int, rows: int) -> None:
    """The same bits as one by one, also where the rows must be copied first."""
    outputs, given = [70, 32, 5], draw(rows, inputs)
    weights = [reference.pack_bf16_weight(draw(number, inputs)) for number in outputs]
    biases = [None, draw(32), None]
    results = block_operators.bf16_linears(given, weights, biases, outputs)
    each = zip(results, weights, biases, outputs, strict=True)
    for result, *arguments in each:
        assert torch.equal(result, operators.bf16_linear(given, *arguments))
    given_all = (given, weights, biases, outputs)
    passed = torch.library.opcheck(block_operators.bf16_linears.default, given_all)
    assert set(passed.values()) == {"SUCCESS"}


@pytest.mark.parametrize(
    ("inputs", "outputs", "dtype"),
    [(66, 40, torch.bfloat16), (64, 65, torch.bfloat16), (64, 40, torch.float32)],
)
def test_what_does_not_fit_is_refused(inputs: int, outputs: int, dtype: torch.dtype) -> None:
    """Sizes that the weight wasn't packed for, and other types."""
    packed = reference.pack_bf16_weight(draw(40, 64))
    with pytest.raises(RuntimeError, match="bf16_linear"):
        operators.bf16_linear(torch.zeros(2, inputs, dtype=dtype), packed, None, outputs)


class Tied(nn.Module):
    """An embedding whose weight the last layer shares, and a layer that stands in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 64, dtype=torch.bfloat16)
        self.inner = nn.Sequential(nn.Linear(64, 64, dtype=torch.bfloat16), nn.SiLU())
        self.again = self.inner[0]
        self.other = nn.Linear(64, 64, dtype=torch.float32)
        self.head = nn.Linear(64, 50, bias=False, dtype=torch.bfloat16)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.head(self.again(self.inner(self.embedding(tokens))))
        return result


@pytest.mark.skipif("not torch.cpu._is_avx512_bf16_supported()", reason="not this processor's")
def test_a_model_is_packed_in_place() -> None:
    """Every bfloat16 layer once; an embedding keeps what it shares; the answers stay."""
    torch.manual_seed(0)
    model, tokens = Tied(), torch.tensor([1, 49, 7])
    embedded, wanted = model.embedding.weight.clone(), model(tokens).detach()
    assert linear.pack_linears(model) == 2
    assert torch.allclose(model(tokens).float(), wanted.float(), rtol=2e-2, atol=2e-2)
    assert torch.equal(model.embedding.weight, embedded)
    assert type(model.other) is nn.Linear
    assert model.inner[0] is model.again
    assert linear.pack_linears(model) == 0
