"""What becomes of the states of tokens, by hand."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from serve_daemon.engine.embedding.modules import Dense, Module, Normalize, Pooling  # noqa: E402
from serve_daemon.engine.embedding.pooling import Tail  # noqa: E402

pytestmark = pytest.mark.model

# Two texts of two values a token: one has three tokens, one two and a padding that counts nowhere.
STATES = [[[1.0, 5.0], [2.0, -1.0], [6.0, 2.0]], [[3.0, 1.0], [5.0, 3.0], [999.0, 999.0]]]
MASK = [[1, 1, 1], [1, 1, 0]]


def pooled(*modules: Module) -> list[list[float]]:
    mask = torch.tensor(MASK)[:, :, None].float()
    rows: list[list[float]] = Tail(modules, "cpu")(torch.tensor(STATES), mask).tolist()
    return rows


@pytest.mark.parametrize(
    ("mode", "vectors"),
    [
        ("cls", [[1, 5], [3, 1]]),
        ("max", [[6, 5], [5, 3]]),
        ("mean", [[3, 2], [4, 2]]),
        ("mean_sqrt_len_tokens", [[9 / 3**0.5, 6 / 3**0.5], [8 / 2**0.5, 4 / 2**0.5]]),
        ("weightedmean", [[23 / 6, 9 / 6], [13 / 3, 7 / 3]]),
        ("lasttoken", [[6, 2], [5, 3]]),
    ],
)
def test_a_pooling(mode: str, vectors: list[list[float]]) -> None:
    """Of a text's own tokens alone."""
    assert pooled(Pooling((mode,))) == [pytest.approx(vector) for vector in vectors]


def test_several_poolings_stand_beside_one_another() -> None:
    """In the order in which they are named."""
    assert pooled(Pooling(("cls", "mean")))[0] == [1, 5, 3, 2]


def test_length_1() -> None:
    """Each vector by itself."""
    assert pooled(Pooling(("mean",)), Normalize())[1] == pytest.approx([0.8**0.5, 0.2**0.5])


def test_a_dense_layer(tmp_path: Path) -> None:
    """Linear, with a bias if it has one, then its function."""
    matrix, bias = torch.tensor([[1.0, 1.0]]), torch.tensor([-5.0])
    save_file({"linear.weight": matrix}, tmp_path / "a")
    save_file({"linear.weight": matrix.bfloat16(), "linear.bias": bias}, tmp_path / "b")
    mean = Pooling(("mean",))
    assert pooled(mean, Dense(tmp_path / "a", "Identity")) == [[5.0], [6.0]]
    assert pooled(mean, Dense(tmp_path / "b", "ReLU")) == [[0.0], [1.0]]
