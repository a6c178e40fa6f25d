"""Products with block-quantized weights: the C++ operators are what their references say."""

import ctypes
import random
import shutil
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from engine.block_weights import packed_weight
from serve_daemon.engine.kernels import block_layers, block_operators, block_reference, build
from serve_daemon.engine.kernels.blocks import Layout
from serve_daemon.engine.kernels.gguf_blocks import BLOCK_TYPES

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None and not build.BUILT_AHEAD.exists(), reason="no compiler"
)
LEVELS = {"portable": 0, "avx2": 1, "avx_vnni": 2, "avx512_vnni": 3}  # `BlockLevel` in blocks.h
BEST = max(LEVELS.values())
ROUNDING = {torch.float32: 2**-19, torch.bfloat16: 2**-7}  # against the largest of a result


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, library: ctypes.CDLL) -> Iterator[int]:
    """Each instruction set that this CPU has."""
    wanted = LEVELS[request.param]
    library.serve_daemon_limit_block_level(wanted)
    try:
        if library.serve_daemon_block_level() != wanted:
            pytest.skip(f"this CPU has no {request.param}")
        yield wanted
    finally:
        library.serve_daemon_limit_block_level(BEST)


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator).to(dtype)


def equals_reference(layout: int, rows: int, outputs: int, columns: int, seed: int) -> bool:
    """With and without a bias, in both types, by turns."""
    dtype = (torch.float32, torch.bfloat16)[seed % 2]
    weight, given = packed_weight(layout, outputs, columns), draw(rows, columns, dtype=dtype)
    bias = (None, draw(outputs), draw(outputs, dtype=dtype))[seed % 3]
    result = block_operators.block_linear(given, weight, bias, layout, outputs)
    wanted = block_reference.block_linear(given, weight, bias, layout, outputs)
    assert result.dtype is dtype
    difference = (result.float() - wanted.float()).abs().max()
    return bool(difference <= ROUNDING[dtype] * wanted.float().abs().max())


def random_shapes(number: int, seed: int) -> Iterator[tuple[int, int, int, int]]:
    """Layout, rows, outputs and columns; sizes that fill no panel and no tile, and small ones."""
    drawn = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(number):
        layout = drawn.choice(list(BLOCK_TYPES))
        elements = BLOCK_TYPES[layout].elements
        columns = elements * drawn.randint(1, 512 // elements)
        yield layout, drawn.randint(1, 20), drawn.randint(1, 100), columns


def check_shapes(number: int, level: int) -> None:
    for seed, shape in enumerate(random_shapes(number, level)):
        assert equals_reference(*shape, seed), (shape, seed)


def test_shapes_equal_the_reference(level: int) -> None:
    """Random ones, of every layout."""
    check_shapes(60, level)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_thousand_shapes_equal_the_reference(level: int) -> None:
    """On each path."""
    check_shapes(10_000, level)


@pytest.mark.parametrize("layout", BLOCK_TYPES)
def test_rows_do_not_depend_on_those_beside_them(layout: int, level: int, threads: int) -> None:
    """To the last bit, however many there are, also where they are too many for the cache."""
    weight, given = packed_weight(layout, 33, 512), draw(700, 512)
    whole = block_operators.block_linear(given, weight, None, layout, 33)
    for rows in (1, 2, 3, 4, 5, 6, 7, 13):
        part = block_operators.block_linear(given[-rows:], weight, None, layout, 33)
        assert torch.equal(part, whole[-rows:]), rows


def test_several_weights_have_the_same_bits(level: int) -> None:
    """Of any layouts, with the input quantized once."""
    layouts, outputs = [Layout.Q4_1, Layout.Q8_0, Layout.Q6_K], [70, 32, 5]
    weights = [packed_weight(*pair, 256) for pair in zip(layouts, outputs, strict=True)]
    biases, given = [None, draw(32), None], draw(3, 7, 256)
    results = block_operators.block_linears(given, weights, biases, layouts, outputs)
    each = zip(results, weights, biases, layouts, outputs, strict=True)
    for result, *arguments in each:
        assert torch.equal(result, block_operators.block_linear(given, *arguments))


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
def test_what_is_not_finite_stays_in_its_row(dtype: torch.dtype, level: int) -> None:
    """Its row is no number, those beside it are; zeros and the smallest numbers are zero."""
    weight, given = packed_weight(Layout.Q4_1, 40, 64), draw(6, 64, dtype=dtype)
    given[0, 3], given[2, 40], given[3, 0] = torch.nan, torch.inf, -torch.inf
    given[4], given[5] = 0, torch.finfo(dtype).tiny
    result = block_operators.block_linear(given, weight, None, Layout.Q4_1, 40)
    wanted = block_reference.block_linear(given, weight, None, Layout.Q4_1, 40)
    assert result.isnan().all(1).tolist() == [True, False, True, True, False, False]
    assert result[1].isfinite().all()
    assert not result[4:].any()
    assert torch.equal(result.isnan(), wanted.isnan())


def test_leading_dimensions_stay(level: int) -> None:
    """Of any number, and those of a view; none at all, and no rows."""
    weight, given = packed_weight(Layout.Q8_0, 40, 64), draw(6, 5, 64)
    arguments = weight, None, Layout.Q8_0, 40
    turned = block_operators.block_linear(given.transpose(0, 1), *arguments)
    assert torch.equal(turned, block_operators.block_linear(given, *arguments).transpose(0, 1))
    assert block_operators.block_linear(given[0, 0], *arguments).shape == (40,)
    assert block_operators.block_linear(given[:0], *arguments).shape == (0, 5, 40)


@pytest.mark.parametrize("layout", BLOCK_TYPES)
def test_vectors_are_the_table_s(layout: int, library: ctypes.CDLL) -> None:
    """Exactly, whatever the layout and however many are asked for."""
    weight, ids = packed_weight(layout, 70, 512), torch.arange(70).view(2, 35)
    for dtype in ROUNDING:
        arguments = ids, weight, layout, 70, 512, dtype
        wanted = block_reference.block_embedding(*arguments)
        assert torch.equal(block_operators.block_embedding(*arguments), wanted)


def test_what_does_not_fit_is_refused(library: ctypes.CDLL) -> None:
    """Sizes that the weight wasn't packed for, unknown layouts and ids, other types."""
    weight = packed_weight(Layout.Q4_0, 40, 64)
    for arguments, named in (
        ((draw(2, 96), weight, None, Layout.Q4_0, 40), "not blocks.pack's"),
        ((draw(2, 64), weight, None, Layout.Q4_0, 65), "not blocks.pack's"),
        ((draw(2, 48), weight, None, Layout.Q4_0, 40), "not a multiple"),
        ((draw(2, 64), weight, None, 10, 40), "no layout 10"),
        ((draw(2, 64).double(), weight, None, Layout.Q4_0, 40), "bfloat16 or float32"),
        ((draw(2, 64), weight, draw(39), Layout.Q4_0, 40), "bias"),
    ):
        with pytest.raises(RuntimeError, match=named):
            block_operators.block_linear(*arguments)
    with pytest.raises(RuntimeError, match="no row 40"):
        block_operators.block_embedding(
            torch.tensor([40]), weight, Layout.Q4_0, 40, 64, torch.float32
        )


def test_fake_tensors_pass(library: ctypes.CDLL) -> None:
    """The shapes are told without computing."""
    weight, given, ids = packed_weight(Layout.Q4_1, 40, 64), draw(3, 64), torch.tensor([1, 2])
    layouts, outputs = [Layout.Q4_1.value] * 2, [40, 40]
    for operator, arguments in (
        (block_operators.block_linear, (given, weight, None, 3, 40)),
        (block_operators.block_linears, (given, [weight] * 2, [None, draw(40)], layouts, outputs)),
        (block_operators.block_embedding, (ids, weight, 3, 40, 64, torch.bfloat16)),
    ):
        passed = torch.library.opcheck(operator.default, arguments)
        assert set(passed.values()) == {"SUCCESS"}


def test_layers_call_the_operators(library: ctypes.CDLL) -> None:
    """And have no weight that anything could be tied to."""
    weight, given = packed_weight(Layout.Q4_1, 40, 64), draw(3, 64)
    linear = block_layers.BlockLinear(weight, draw(40), Layout.Q4_1, 64, 40)
    table = block_layers.BlockEmbedding(weight, Layout.Q4_1, 40, 64, torch.float32)
    wanted = block_operators.block_linear(given, weight, draw(40), Layout.Q4_1, 40)
    assert torch.equal(linear(given), wanted)
    assert table(torch.tensor([7, 39])).shape == (2, 64)
    assert set(linear.state_dict()) == {"packed_weight", "bias"}
    assert block_layers.is_fast() == (library.serve_daemon_block_level() > 0)
