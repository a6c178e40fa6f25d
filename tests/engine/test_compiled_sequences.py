"""Which tokens a step computes, and what is told of a sequence."""

from serve_daemon.engine.compiled.sequences import NOWHERE, Piece, Sequence, pack, pieces_of
from serve_daemon.wire.messages import Finish, Submit
from serve_daemon.wire.sampling import Sampling


def sequence(tokens: list[int], *, slot: int = 0, new: int = 8, context: int = 1000) -> Sequence:
    submit = Submit(
        sequence=slot,
        request_id="r",
        tokens=tokens,
        max_new_tokens=new,
        stop_tokens=[99],
        sampling=Sampling(temperature=0.0),
    )
    made = Sequence(0, submit, context)
    made.slot = slot
    return made


def decoding(tokens: list[int], *, slot: int) -> Sequence:
    """One that has its first new token, 50, which is to be computed next."""
    made = sequence(tokens, slot=slot)
    made.num_computed = len(tokens)
    made.add(50, None)
    return made


def test_decoding_sequences_always_get_their_token() -> None:
    """However many tokens prompts may have."""
    streams = [decoding([1, 2], slot=0), sequence([5, 6, 7], slot=1), decoding([3], slot=2)]
    assert [(piece.start, piece.stop) for piece in pieces_of(streams, 0)] == [(2, 3), (1, 2)]


def test_prompts_share_what_there_is_in_their_order() -> None:
    """The first one is taken in whole before the next begins."""
    prompts = [sequence([1] * 5, slot=0), sequence([2] * 5, slot=1), sequence([3] * 5, slot=2)]
    pieces = list(pieces_of(prompts, 8))
    assert [(piece.sequence.slot, piece.stop) for piece in pieces] == [(0, 5), (1, 3)]
    assert [piece.is_last for piece in pieces] == [True, False]


def test_a_prompt_goes_on_where_it_was_cut() -> None:
    """Its second chunk begins after its first."""
    prompt = sequence(list(range(10)))
    prompt.num_computed = 4
    [piece] = pieces_of([prompt], 100)
    assert (piece.start, piece.stop, piece.is_last) == (4, 10, True)


def test_tokens_are_packed_with_their_slots_and_positions() -> None:
    """One row a token; the wanted rows are those that a token is drawn from."""
    first, second = decoding([1, 2], slot=4), sequence([7, 8, 9], slot=6)
    batch = pack([Piece(first, 2, 3), Piece(second, 0, 3)])
    assert batch.tokens.tolist() == [50, 7, 8, 9]
    assert batch.slots.tolist() == [4, 6, 6, 6]
    assert batch.positions.tolist() == [2, 0, 1, 2]
    assert batch.wanted.tolist() == [0, 3]


def test_a_lone_token_gets_company() -> None:
    """A row that is nowhere: kernels round a matrix of one row in another way."""
    batch = pack([Piece(decoding([1], slot=0), 1, 2)])
    assert batch.slots.tolist() == [0, NOWHERE]
    assert batch.wanted.tolist() == [0, 0]


def test_a_sequence_ends_by_a_stop_token() -> None:
    """Which is told."""
    output = sequence([1]).add(99, None)
    assert (output.tokens, output.finish) == ([99], Finish.STOP)


def test_a_sequence_ends_by_its_length_or_by_the_context() -> None:
    """Whichever comes first."""
    assert sequence([1], new=1).add(5, None).finish is Finish.LENGTH
    short = sequence([1, 2], new=50, context=4)
    assert [short.add(5, None).finish for _ in range(2)] == [None, Finish.LENGTH]


def test_cached_tokens_are_told_once() -> None:
    """With the first token."""
    cached = sequence([1, 2, 3])
    cached.num_cached = 2
    assert [cached.add(5, None).cached_tokens for _ in range(2)] == [2, 0]
