"""What stands in for the layers of bitsandbytes computes the same, in any batch, compiled too."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.model

IN, OUT = 128, 64
OUTLIER = 40.0
BITS = [4, 8]


def layer_of(bits: int) -> Any:
    """A layer with random weights, as Transformers has bitsandbytes make it."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    import torch

    torch.manual_seed(0)
    plain = torch.nn.Linear(IN, OUT)
    if bits == 8:
        layer = bitsandbytes.nn.Linear8bitLt(IN, OUT, has_fp16_weights=False, threshold=6.0)
    else:
        layer = bitsandbytes.nn.Linear4bit(IN, OUT, compute_dtype=torch.float32, quant_type="nf4")
    layer.load_state_dict(plain.state_dict())
    return layer.to("cpu").eval().requires_grad_(False)


def replaced(layer: Any) -> Any:
    """What a model holds in its place."""
    import torch

    from serve_daemon.engine.compiled.quantized import replace_quantized

    class Model(torch.nn.Module):
        quantization_method = "bitsandbytes"
        dtype = torch.float32

        def __init__(self) -> None:
            super().__init__()
            self.one = layer
            self.others = torch.nn.Sequential(layer)

    model = Model()
    assert replace_quantized(model) == 1
    assert model.one is model.others[0]
    return model.one


def rows_of(count: int) -> Any:
    """Random inputs; the second has outliers, a large one and one that just is one."""
    import torch

    rows = torch.randn(count, IN, generator=torch.Generator().manual_seed(1))
    rows[1, 5], rows[1, 70] = OUTLIER, -6.5
    return rows


@pytest.mark.parametrize("bits", BITS)
def test_a_layer_computes_what_that_of_bitsandbytes_does(bits: int) -> None:
    """With outliers, too: of a large one, nothing is lost that 16 bits hold."""
    import torch

    layer = layer_of(bits)
    with torch.inference_mode():
        wanted = layer(rows_of(5))
        got = replaced(layer)(rows_of(5))
    torch.testing.assert_close(got, wanted, rtol=0, atol=0.01)


@pytest.mark.parametrize("bits", BITS)
def test_a_row_does_not_depend_on_the_others(bits: int) -> None:
    """Whatever outliers those have: to the last bit, but for float32 sums in another order."""
    import torch

    from serve_daemon.engine.compiled.quantized import FourBitLinear

    layer, rows = replaced(layer_of(bits)), rows_of(7)
    rounding = 1e-5 if isinstance(layer, FourBitLinear) else 0.0
    with torch.inference_mode():
        torch.testing.assert_close(layer(rows)[2:4], layer(rows[2:4]), rtol=rounding, atol=rounding)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch, about itself
@pytest.mark.parametrize("bits", [8, pytest.param(4, marks=pytest.mark.long)])
def test_a_layer_is_compiled_for_any_number_of_rows(bits: int, tmp_path: Path) -> None:
    """The code computes what the layer does, with its weights."""
    import torch

    layer = replaced(layer_of(bits))
    rows = torch.export.Dim("rows", min=2, max=1024)
    exported = torch.export.export(layer, (rows_of(5),), dynamic_shapes=({0: rows},), strict=False)
    file = torch._inductor.aoti_compile_and_package(exported, package_path=str(tmp_path / "m.pt2"))
    compiled = torch._inductor.aoti_load_package(file)
    for count in (2, 9):
        torch.testing.assert_close(compiled(rows_of(count)), layer(rows_of(count)))


def test_other_models_are_left_alone() -> None:
    """Nothing is replaced in them, and no version is asked for."""
    import torch

    from serve_daemon.engine.compiled.quantized import replace_quantized, version_of

    model = torch.nn.Sequential(torch.nn.Linear(IN, OUT))
    assert replace_quantized(model) == 0
    assert version_of(model) == ""
    assert type(model[0]) is torch.nn.Linear
