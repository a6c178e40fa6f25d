"""Sequences of one engine: they join, stream, stop, are cancelled, and leave nothing behind."""

import asyncio
import random
from collections import Counter

import pytest

from engine.client import GREEDY, EngineProcess, Gateway
from serve_daemon.wire.messages import EngineHeartbeat, Finish
from serve_daemon.wire.sampling import Sampling

pytestmark = pytest.mark.model

PROMPT = [7, 8, 9, 10, 11]
STOPS = tuple(range(0, 300, 10))


def is_empty(heartbeat: EngineHeartbeat) -> bool:
    return heartbeat.running == heartbeat.waiting == 0


async def becomes_empty(engine: EngineProcess) -> EngineHeartbeat:
    return await asyncio.to_thread(engine.next_heartbeat, is_empty)


async def test_idleness_counts_from_the_end_of_the_last_sequence(
    tiny: EngineProcess, gateway: Gateway
) -> None:
    """It is 0 while there is one, ended or cancelled alike."""
    before = await asyncio.to_thread(tiny.next_heartbeat, lambda beat: beat.idle_seconds > 0)
    stream = await gateway.submit(PROMPT, 900).begun()
    busy = await asyncio.to_thread(tiny.next_heartbeat, lambda beat: beat.steps > before.steps)
    assert busy.running == 1
    assert busy.idle_seconds == 0
    gateway.cancel(stream)
    after = await asyncio.to_thread(tiny.next_heartbeat, lambda beat: beat.idle_seconds > 0)
    assert after.running == 0
    again = await asyncio.to_thread(tiny.next_heartbeat, lambda _beat: True)
    assert again.idle_seconds > after.idle_seconds


async def test_max_new_tokens(gateway: Gateway) -> None:
    """As many tokens as were asked for, one an output, the last with the finish."""
    stream = await gateway.submit(PROMPT, 12).done()
    assert len(stream.tokens) == 12
    assert [len(output.tokens) for output in stream.outputs] == [1] * 12
    assert [output.finish for output in stream.outputs] == [None] * 11 + [Finish.LENGTH]


async def test_stop_tokens(gateway: Gateway) -> None:
    """Each sequence has its own set; the stop token is the last that is sent."""
    free = (await gateway.submit(PROMPT, 30).done()).tokens
    stop = next(token for place, token in enumerate(free) if place > 3)
    length = free.index(stop) + 1
    stopped, other = gateway.submit(PROMPT, 30, GREEDY, (299, stop)), gateway.submit(PROMPT, 30)
    assert (await stopped.done()).tokens == free[:length]
    assert stopped.finish is Finish.STOP
    assert (await other.done()).tokens == free
    assert other.finish is Finish.LENGTH


async def test_the_context_is_a_limit(gateway: Gateway) -> None:
    """A sequence that fills it ends for its length."""
    stream = await gateway.submit([3] * 1020, 100).done()
    assert len(stream.tokens) == 4
    assert stream.finish is Finish.LENGTH


@pytest.mark.parametrize(
    ("tokens", "max_new_tokens", "why"),
    [
        ([3] * 1024, 1, "the prompt has 1024 tokens; the model's context is 1024"),
        ([3] * 5000, 1, "the prompt has 5000 tokens; the model's context is 1024"),
        ([], 5, "the prompt has no tokens"),
        ([1, 300], 5, "outside of the vocabulary of 300"),
        ([-1], 5, "outside of the vocabulary of 300"),
        ([1], 0, "max_new_tokens is less than 1"),
    ],
)
async def test_what_can_not_be_computed_is_refused(
    gateway: Gateway, tokens: list[int], max_new_tokens: int, why: str
) -> None:
    """At once, with the reason, and to the harm of no one else."""
    neighbour = gateway.submit(PROMPT, 50)
    stream = await gateway.submit(tokens, max_new_tokens).done()
    [output] = stream.outputs
    assert output.finish is Finish.REFUSED
    assert why in output.error
    assert len((await neighbour.done()).tokens) == 50


async def test_sequences_join_while_others_decode(gateway: Gateway) -> None:
    """Both get tokens in the same steps: one frame carries those of all."""
    first = await gateway.submit(PROMPT, 400).begun()
    second = await gateway.submit(PROMPT, 20).done()
    assert first.finish is None
    await first.done()
    shared = [step for step in gateway.steps if len(step.outputs) == 2]
    assert len(shared) >= 19
    assert all(
        max(Counter(output.sequence for output in step.outputs).values()) == 1
        for step in gateway.steps
    )
    assert len(second.tokens) == 20


async def test_more_sequences_than_may_run_wait(tiny: EngineProcess, gateway: Gateway) -> None:
    """With max_requests = 8, the others begin as soon as one of the 8 ends."""
    streams = [gateway.submit(PROMPT, 150) for _ in range(20)]
    busy = await asyncio.to_thread(tiny.next_heartbeat, lambda beat: beat.waiting > 0)
    assert busy.running <= 8
    await asyncio.gather(*(stream.done() for stream in streams))
    assert all(stream.tokens == streams[0].tokens for stream in streams)


async def test_a_cancelled_sequence_is_silent(tiny: EngineProcess, gateway: Gateway) -> None:
    """Nothing more is sent about it, its slot is free, and others go on."""
    cancelled, other = gateway.submit(PROMPT, 900), gateway.submit(PROMPT, 200)
    await cancelled.begun()
    gateway.cancel(cancelled)
    gateway.cancel(cancelled)
    await other.done()
    seen = len(cancelled.outputs)
    await becomes_empty(tiny)
    assert len(cancelled.outputs) == seen < 900
    assert cancelled.finish is None


async def test_a_waiting_sequence_can_be_cancelled(tiny: EngineProcess, gateway: Gateway) -> None:
    """Before it ever ran."""
    running = [gateway.submit(PROMPT, 300) for _ in range(8)]
    waiting = gateway.submit(PROMPT, 300)
    gateway.cancel(waiting)
    await asyncio.gather(*(stream.done() for stream in running))
    await becomes_empty(tiny)
    assert not waiting.outputs


async def test_a_lost_gateway_takes_its_sequences_along(tiny: EngineProcess) -> None:
    """All of its own, and none of another's, though both number from 1."""
    lost, kept = [await Gateway.connect(tiny.socket_path) for _ in range(2)]
    abandoned = [lost.submit(PROMPT, 1000) for _ in range(4)]
    stream = await kept.submit(PROMPT, 60).begun()
    assert stream.sequence == abandoned[0].sequence
    lost.peer.close()
    assert len((await stream.done()).tokens) == 60
    await becomes_empty(tiny)
    assert all(stream.finish is None for stream in abandoned)
    kept.peer.close()


async def test_hundreds_of_sequences_of_which_half_are_cancelled(tiny: EngineProcess) -> None:
    """At random points; every other one is whole, and no sequence stays in the engine."""
    chance = random.Random(5)  # noqa: S311 - the same in every run
    async with await Gateway.connect(tiny.socket_path) as gateway:

        async def client(number: int) -> None:
            length = chance.randrange(1, 80)
            stream = gateway.submit([number] * chance.randrange(1, 200), length)
            if number % 2:
                await stream.done()
                assert len(stream.tokens) == length
                return
            patience = chance.randrange(40)
            while len(stream.outputs) < min(patience, length):
                await stream.changed()
            gateway.cancel(stream)

        await asyncio.gather(*(client(number) for number in range(200)))
        await becomes_empty(tiny)


async def test_a_shared_prefix_is_computed_once(gateway: Gateway) -> None:
    """The second sequence says how much of its prompt was there, and says the same."""
    prompt = [(7 * place) % 300 for place in range(100)]
    first = await gateway.submit(prompt, 10).done()
    second = await gateway.submit(prompt, 10).done()
    assert [output.cached_tokens for output in first.outputs] == [0] * 10
    shared, *later = [output.cached_tokens for output in second.outputs]
    assert 96 <= shared < len(prompt)  # engines that keep pages share whole ones
    assert later == [0] * 9
    assert second.tokens == first.tokens


async def test_a_sampled_sequence_goes_on_where_it_was_cut(gateway: Gateway) -> None:
    """Submitted again with its output so far, as after the loss of an engine."""
    sampling = Sampling(temperature=1.0, top_p=0.95, seed=2**63 + 11)
    whole = (await gateway.submit(PROMPT, 40, sampling).done()).tokens
    assert len(set(whole)) > 5
    for cut in (1, 13, 39):
        rest = await gateway.submit(PROMPT + whole[:cut], 40 - cut, sampling).done()
        assert rest.tokens == whole[cut:]


async def test_a_penalized_sequence_goes_on_where_it_was_cut(gateway: Gateway) -> None:
    """Penalties and the least length count what was output before the cut."""
    sampling = Sampling(
        seed=3, repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=1.5, min_tokens=30
    )
    whole = (await gateway.submit(PROMPT, 40, sampling, STOPS).done()).tokens
    assert len(whole) >= 30
    for cut in (1, 13, 29):
        tokens, left = PROMPT + whole[:cut], 40 - cut
        rest = await gateway.submit(tokens, left, sampling, STOPS, num_output=cut).done()
        assert rest.tokens == whole[cut:]
        as_prompt = await gateway.submit(tokens, left, sampling, STOPS).done()
        assert as_prompt.tokens != whole[cut:]


async def test_a_penalty_ends_a_greedy_loop(gateway: Gateway) -> None:
    """A token's bias wins until its frequency has cost it as much."""
    sampling = Sampling(temperature=0.0, logit_bias={7: 50.0}, frequency_penalty=2.0)
    tokens = (await gateway.submit(PROMPT, 30, sampling).done()).tokens
    assert tokens[:15] == [7] * 15
    assert tokens[15:] != [7] * 15


async def test_a_stop_token_is_withheld_until_the_least_length(gateway: Gateway) -> None:
    """However likely it is; then it ends the sequence."""
    biased = Sampling(temperature=0.0, logit_bias={7: 100.0}, min_tokens=5)
    stream = await gateway.submit(PROMPT, 30, biased, (7,)).done()
    assert len(stream.tokens) == 6
    assert stream.tokens.index(7) == 5


async def test_a_banned_sequence_never_comes(gateway: Gateway) -> None:
    """Not across a cut either; and where few tokens are allowed, no other comes."""
    free = (await gateway.submit(PROMPT, 30).done()).tokens
    sampling = Sampling(temperature=0.0, banned=[free[9:12]])
    tokens = (await gateway.submit(PROMPT, 30, sampling).done()).tokens
    assert tokens[:11] == free[:11]
    assert tokens[11] != free[11]
    rest = await gateway.submit(PROMPT + tokens[:11], 19, sampling, num_output=11).done()
    assert rest.tokens == tokens[11:]
    few = await gateway.submit(PROMPT, 30, Sampling(seed=1, allowed=[3, 4])).done()
    assert set(few.tokens) == {3, 4}


async def test_log_probabilities_come_with_their_tokens(gateway: Gateway) -> None:
    """One for each token of those who ask; a greedy one is the model's likeliest."""
    wanted = [Sampling(temperature=0.0, logprobs=2), Sampling(seed=1), Sampling(seed=1, logprobs=0)]
    streams = [gateway.submit(PROMPT, 20, each) for each in wanted]
    greedy, silent, sampled = [await stream.done() for stream in streams]
    told = [logprobs for output in greedy.outputs for logprobs in output.logprobs]
    assert [logprobs.top_tokens[0] for logprobs in told] == greedy.tokens
    assert all(logprobs.logprob == logprobs.top_logprobs[0] <= 0 for logprobs in told)
    assert not any(output.logprobs for output in silent.outputs)
    assert [len(output.logprobs) for output in sampled.outputs] == [1] * 20
    assert sampled.tokens == silent.tokens


async def test_seeds_hold_whatever_shares_the_batch(gateway: Gateway) -> None:
    """The same seed and prompt give the same tokens, alone and among neighbours."""
    samplings = [
        Sampling(temperature=0.0),
        Sampling(temperature=1.0, seed=1),
        Sampling(temperature=1.0, seed=2),
        Sampling(temperature=0.7, top_k=20, seed=1),
        Sampling(temperature=1.2, top_p=0.8, seed=1),
        Sampling(temperature=0.0, repetition_penalty=2.0, frequency_penalty=1.0),
        Sampling(temperature=1.2, min_p=0.01, typical_p=0.9, presence_penalty=1.0, seed=1),
    ]
    alone = [(await gateway.submit(PROMPT, 30, each).done()).tokens for each in samplings]
    together = [gateway.submit(PROMPT, 30, each) for each in samplings]
    assert [(await stream.done()).tokens for stream in together] == alone
    assert len({tuple(tokens) for tokens in alone}) == len(samplings)


async def test_an_idle_engine_computes_nothing(tiny: EngineProcess) -> None:
    """No step without a sequence, and not a second of stall."""
    before = await becomes_empty(tiny)
    after = await becomes_empty(tiny)
    assert after.steps == before.steps
    assert after.stalled_seconds == 0
