"""Random problems for the attention operators, and their answers."""

import random
from collections.abc import Callable

import torch
from msgspec import Struct
from torch import Tensor

from serve_daemon.engine.kernels import int8_attention, operators, reference

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 1.6e-2, torch.float16: 4e-3}
SIZES = (16, 32, 64, 64, 80, 96, 128, 192, 256)

Operator = Callable[..., Tensor]
OPERATORS: dict[str, tuple[Operator, Operator]] = {  # with their definitions
    "plain": (operators.slot_attention, reference.slot_attention),
    "int8": (operators.slot_attention_int8, int8_attention.slot_attention_int8),
}


class Case(Struct, frozen=True):
    """What an operator is given, in its order, and what says how it is to compute."""

    states: tuple[Tensor, Tensor, Tensor]  # query, key, value
    caches: tuple[Tensor, ...]  # with their scales, which hold something everywhere
    slots: Tensor
    positions: Tensor
    options: tuple[float, int, float]  # scale, window, softcap

    def by(self, operator: Operator) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The result, and the caches as they are then."""
        caches = tuple(cache.clone() for cache in self.caches)
        places = (self.slots, self.positions)
        return operator(*self.states, *caches, *places, *self.options), caches

    def alone(self, token: int, caches: tuple[Tensor, ...]) -> "Case":
        """One token of it, over what the caches hold in the end."""
        one = slice(token, token + 1)
        query, key, value = self.states
        return Case(
            (query[one], key[one], value[one]),
            caches,
            self.slots[one],
            self.positions[one],
            self.options,
        )


def draw(form: str, seed: int) -> Case:
    """Any head size, group, type, window and softcap; chunks and single tokens, and padding."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    generator = torch.Generator().manual_seed(seed)
    dtype = rng.choice([*TOLERANCE, torch.bfloat16])
    size = rng.choice([*SIZES, rng.randrange(1, 300)])
    group, heads = rng.choice([1, 2, 3, 4, 5, 7, 8]), rng.choice([1, 2, 3])
    num_slots, length = rng.choice([1, 2, 4]), rng.choice([7, 64, 130, 300, 400])
    slots, positions = _places(rng, num_slots, length)

    def states(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(dtype)

    keys, values = (states(num_slots, heads, length, size) for _ in range(2))
    caches = in_8_bits(keys, values) if form == "int8" else (keys, values)
    tokens = len(slots)
    query = states(tokens, group * heads, size)
    new = states(tokens, heads, size), states(tokens, heads, size)
    scale, window = size**-0.5 * rng.choice([1, 1, 3]), rng.choice([0, 0, 1, 50, 128, 200])
    options = (scale, window, rng.choice([0.0, 0.0, 5.0]))
    return Case((query, *new), caches, torch.tensor(slots), torch.tensor(positions), options)


def _places(rng: random.Random, num_slots: int, length: int) -> tuple[list[int], list[int]]:
    """Of one run of tokens a slot, and of padding."""
    slots: list[int] = []
    positions: list[int] = []
    for slot in rng.sample(range(-1, num_slots), rng.randint(1, num_slots)):
        start = rng.randrange(length)
        count = min(rng.choice([1, 1, 5, rng.randrange(1, 40)]), length - start)
        slots += [slot] * count
        positions += range(start, start + count)
    return slots, positions


def check(form: str, seed: int) -> None:
    """An operator is what defines it, and each row what it is alone, to the last bit."""
    case = draw(form, seed)
    operator, definition = OPERATORS[form]
    wanted, wanted_caches = case.by(definition)
    result, caches = case.by(operator)
    tolerance = TOLERANCE[result.dtype]

    def told(problem: str) -> str:
        return f"{form}, seed {seed}: {problem}"

    torch.testing.assert_close(result, wanted, rtol=tolerance, atol=tolerance, msg=told)
    assert all(map(torch.equal, caches, wanted_caches)), told("other things are stored")
    token = seed % len(case.slots)
    alone, _ = case.alone(token, caches).by(operator)
    assert torch.equal(alone[0], result[token]), told(f"row {token} is another alone")


def in_8_bits(*caches: Tensor) -> tuple[Tensor, ...]:
    """Caches as the operator of 8 bits takes them."""
    quantized, scales = zip(*map(int8_attention.quantize, caches), strict=True)
    return (*quantized, *scales)
