"""Room for keys and values, and copies of it from slot to slot."""

import pytest

pytest.importorskip("torch")

import torch

from serve_daemon.config.kv_cache import Geometry
from serve_daemon.engine.compiled import caches, engine
from serve_daemon.engine.compiled.caches import Layer
from serve_daemon.engine.compiled.engine import check
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineSpec

SLOTS, LENGTH = 3, 20
LAYERS = [Layer("a.attention", 2, 16), Layer("b.attention", 2, 16)]


def made(dtype: torch.dtype) -> caches.Caches:
    return caches.make(LAYERS, SLOTS, LENGTH, torch.empty(0, dtype=dtype))


@pytest.mark.parametrize(
    ("dtype", "bytes_per_value", "scale_bytes"), [(torch.bfloat16, 2, 0), (torch.int8, 1, 4)]
)
def test_room_is_what_was_planned(
    dtype: torch.dtype, bytes_per_value: int, scale_bytes: int
) -> None:
    """As the engine plans it, and as the estimate does."""
    sizes = sum(each.nbytes for each in made(dtype).values())
    assert sizes == SLOTS * LENGTH * caches.bytes_per_token(LAYERS, dtype)
    geometry = Geometry(len(LAYERS), 2, 16, bytes_per_value, LENGTH, scale_bytes)
    assert sizes == SLOTS * LENGTH * geometry.bytes_per_token


def test_keys_and_values_in_8_bits_have_scales() -> None:
    """One for each token and head, which a copy of a slot takes along, as far as it goes."""
    room = made(torch.int8)
    assert {name.rpartition(".")[2] for name in room} == {
        *(caches.KEYS, caches.VALUES, caches.KEY_SCALES, caches.VALUE_SCALES)
    }
    for number, each in enumerate(room.values()):
        each[1] = number + 1
    caches.copy(room, 1, 2, 7)
    for number, each in enumerate(room.values()):
        assert (each[2, :, :7] == number + 1).all()
        assert not each[2, :, 7:].any()
        assert not each[0].any()


def test_they_find_their_modules() -> None:
    """By name."""
    step = torch.nn.Module()
    for name in "ab":
        step.add_module(name, torch.nn.Module())
        step.get_submodule(name).add_module("attention", torch.nn.Module())
    room = made(torch.int8)
    caches.attach(room, step)
    assert step.get_buffer("b.attention.value_scales") is room["b.attention.value_scales"]


def test_they_are_refused_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is loaded."""
    monkeypatch.setattr(engine, "choose_device", lambda asked: asked)
    spec = EngineSpec("m", "s", engine="compiled", device="cuda:0", kv_cache_dtype="int8")
    with pytest.raises(EngineError, match="kv_cache_dtype 'int8' is for a CPU"):
        check(spec)
    check(EngineSpec("m", "s", engine="compiled", device="cpu", kv_cache_dtype="int8"))
