"""Async batching and graphs, each with every kind of sampling, on a CPU that poses as a GPU."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from engine.driven import Driven, settings
from engine.models import TINY_LLAMA
from engine.pretended_gpu import Graph, pretend
from serve_daemon.engine.continuous.pipeline import CarryOver
from serve_daemon.wire.messages import Finish, Submit
from serve_daemon.wire.sampling import Sampling

GREEDY = Sampling(temperature=0.0)
DRAWN = Sampling(temperature=1.0, top_p=0.9, seed=3)
PENALIZED = Sampling(temperature=0.0, presence_penalty=1.5, frequency_penalty=0.7)
TOLD = Sampling(temperature=0.0, logprobs=2)
KINDS = {"greedy": GREEDY, "drawn": DRAWN, "penalized": PENALIZED, "told": TOLD}
WAYS: dict[str, dict[str, Any]] = {
    "async": {"use_async_batching": True},
    "graphs": {"use_cuda_graph": True},
    "async graphs": {"use_async_batching": True, "use_cuda_graph": True},
}


def submits(*samplings: Sampling, stop: tuple[int, ...] = ()) -> list[Submit]:
    """Prompts of different lengths, one of them longer than a step takes."""
    lengths = (5, 30, 1, 100)
    return [
        Submit(
            sequence=number,
            request_id="",
            tokens=[(7 * number + place) % 300 for place in range(lengths[number % 4])],
            max_new_tokens=12 + number,
            stop_tokens=list(stop),
            sampling=sampling,
        )
        for number, sampling in enumerate(samplings)
    ]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Driven]]:
    """Starts managers of one tiny model, all of the same weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    pretend(monkeypatch)
    running: list[Driven] = []
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**TINY_LLAMA, attn_implementation="sdpa")).eval()

    def start(**changes: Any) -> Driven:
        running.append(Driven(copy.deepcopy(model), settings(**changes)))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [*KINDS, "all"])
def test_each_way_gives_the_same_tokens(kind: str, way: str, drive: Callable[..., Driven]) -> None:
    """As many as asked for, in the same order, and with the same log-probabilities."""
    samplings = list(KINDS.values()) if kind == "all" else [KINDS[kind]] * 4
    plain, other = drive(), drive(**WAYS[way])
    wanted = plain.tokens(submits(*samplings))
    assert other.tokens(submits(*samplings)) == wanted
    assert [len(tokens) for tokens in wanted] == [12, 13, 14, 15]
    for sequence, outputs in plain.outputs.items():
        told = [output.logprobs for output in other.outputs[sequence]]
        assert [[each.top_tokens for each in lp] for lp in told] == [
            [each.top_tokens for each in output.logprobs] for output in outputs
        ]


def test_graphs_are_replayed_whatever_is_sampled(drive: Callable[..., Driven]) -> None:
    """The sampler works beside the graph: a sequence that draws reuses what a greedy one left."""
    driven = drive(use_cuda_graph=True)
    driven.tokens(submits(GREEDY))
    captured = Graph.replays
    driven.tokens(submits(DRAWN))
    assert Graph.replays >= captured + 12


def test_a_stop_token_ends_a_sequence_once(drive: Callable[..., Driven]) -> None:
    """The step that was under way for it already leaves no trace."""
    plain, ahead = drive(), drive(use_async_batching=True)
    [free] = plain.tokens(submits(GREEDY))
    stop = (free[4],)
    [short] = ahead.tokens(submits(GREEDY, stop=stop))
    assert short == free[: free.index(stop[0]) + 1]
    assert ahead.outputs[0][-1].finish is Finish.STOP
    [again] = ahead.tokens(submits(GREEDY))
    assert again == free


def test_a_cancelled_sequence_is_heard_no_more(drive: Callable[..., Driven]) -> None:
    """Nothing comes after it was dropped, though a step for it was under way."""
    ahead = drive(use_async_batching=True)
    [long] = [Submit(9, "", [1, 2, 3], 900, [], GREEDY)]
    ahead.submit([long])
    ahead.until(lambda: len(ahead.outputs[9]) > 3)
    ahead.cancel(9)
    ahead.until(lambda: ahead.dropped == [9])
    heard = len(ahead.outputs[9])
    ahead.tokens(submits(GREEDY, DRAWN))
    assert len(ahead.outputs[9]) == heard
    assert not ahead.is_finished(9)


def test_sequences_that_join_find_their_way(drive: Callable[..., Driven]) -> None:
    """One that needs the last token lands each step, and others go on ahead once it has left."""
    plain, ahead = drive(), drive(use_async_batching=True)
    early = [Submit(20, "", [4, 5], 60, [], GREEDY), Submit(21, "", [6], 60, [], DRAWN)]
    late = submits(PENALIZED, TOLD)
    for driven in (plain, ahead):
        driven.submit(early)
        driven.until(lambda driven=driven: len(driven.outputs[20]) > 5)
        driven.tokens(late)
        driven.until(lambda driven=driven: driven.is_finished(20) and driven.is_finished(21))
    for number in (0, 1, 20, 21):
        assert ahead.tokens_of(number) == plain.tokens_of(number)


class _Inputs:
    """The positions of new tokens, in two steps' inputs."""

    def __init__(self) -> None:
        self.max_batch_tokens = 6
        self.current_pair = 0
        self.io_pairs = [self._pair(), self._pair()]

    @staticmethod
    def _pair() -> Any:
        host = type("Host", (), {"req_id_to_new_token_position": {}})()
        return type("Pair", (), {"host_io": host})()

    def step(self, **positions: int) -> None:
        self.current_pair = 1 - self.current_pair
        self.io_pairs[self.current_pair].host_io.req_id_to_new_token_position = positions


def test_tokens_are_carried_over_by_one_buffer() -> None:
    """What Transformers' own lists say, step after step."""
    inputs = _Inputs()
    carry_over = CarryOver(inputs)
    inputs.step(a=4, b=5)
    assert carry_over().tolist() == [-1] * 6
    inputs.step(b=0, c=1, a=2)
    assert carry_over().tolist() == [1, -1, 0, -1, -1, -1]
    inputs.step(c=0)
    assert carry_over().tolist() == [1, -1, -1, -1, -1, -1]
    inputs.step(d=3)
    assert carry_over().tolist() == [-1] * 6
    assert carry_over().numpy().dtype == np.int32
