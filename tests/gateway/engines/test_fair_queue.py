"""The queue by itself: whose turn it is, who is refused, and that nothing is lost or doubled."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.gateway.engines.fair_queue import FairQueue, Phase, Place

PLENTY = 1000


def joined(queue: FairQueue, clients: str, limit: int = PLENTY) -> list[Place]:
    """One request for each letter, which is the name of its client."""
    places = [queue.join(client, limit)[0] for client in clients]
    return [place for place in places if place is not None]


def call(queue: FairQueue, room: int) -> str:
    """The clients of those that are called, and go to an engine."""
    called = queue.call(room)
    for place in called:
        queue.begin(place)
    return "".join(place.client for place in called)


def one_by_one(queue: FairQueue, count: int) -> str:
    """Who is called by an engine that works on one at a time."""
    order = ""
    for _ in range(count):
        (place,) = queue.call(1)
        order += place.client
        queue.begin(place)
        queue.leave(place)
    return order


def test_a_client_s_own_requests_go_in_their_order() -> None:
    """The oldest first."""
    queue = FairQueue()
    places = joined(queue, "aaa")
    assert queue.call(PLENTY) == places


def test_clients_take_turns() -> None:
    """Whoever comes late does not wait for all that somebody else has sent before."""
    queue = FairQueue()
    joined(queue, "aaaabbc")
    assert one_by_one(queue, 7) == "abcabaa"


def test_a_client_with_fewer_at_work_goes_first() -> None:
    """So two clients come to share the engines evenly, whoever was first."""
    queue = FairQueue()
    joined(queue, "aaaaaa")
    assert call(queue, 4) == "aaaa"
    joined(queue, "bbbbbb")
    assert call(queue, 4) == "bbbb"
    assert call(queue, 4) == "abab"


def test_a_client_whose_answers_are_long_gets_no_more_of_the_engines() -> None:
    """Its requests stay at work, and are counted as long as they do."""
    queue = FairQueue()
    joined(queue, "lllllllsssssss")
    at_work = queue.call(4)
    assert Counter(place.client for place in at_work) == {"l": 2, "s": 2}
    for place in at_work:
        queue.begin(place)
    for _ in range(5):
        short = next(place for place in at_work if place.client == "s")
        queue.rest(short)
        at_work.remove(short)
        (called,) = queue.call(1)
        assert called.client == "s"
        queue.begin(called)
        at_work.append(called)


def test_nobody_is_overtaken_for_ever_by_clients_that_are_new() -> None:
    """However many of them come, each with one request."""
    queue = FairQueue()
    joined(queue, "aa")
    served = ""
    for number in range(3):
        joined(queue, f"{number}")
        served += one_by_one(queue, 1)
    assert served.count("a") == 2


def test_no_more_are_called_than_there_is_room() -> None:
    """Those count that are on their way; those at work are the engine's to count."""
    queue = FairQueue()
    joined(queue, "aaaaa")
    first = queue.call(2)
    assert queue.call(2) == []
    queue.begin(first[0])
    assert len(queue.call(2)) == 1


def test_who_lost_its_engine_goes_before_all_that_have_not_begun() -> None:
    """Of whichever client it is, and however many that has at work."""
    queue = FairQueue()
    lost, *_ = joined(queue, "aab")
    assert call(queue, 2) == "ab"
    queue.again(lost)
    assert queue.call(1) == [lost]


def test_a_full_queue_refuses_who_has_as_many_as_anybody() -> None:
    """And those that wait stay."""
    queue = FairQueue()
    joined(queue, "aabb", limit=4)
    assert queue.join("a", 4) == (None, None)
    assert queue.join("b", 4) == (None, None)
    assert len(queue) == 4


def test_a_full_queue_takes_in_who_has_less_for_the_newest_of_who_has_most() -> None:
    """Until both have as many."""
    queue = FairQueue()
    places = joined(queue, "aaaaabb", limit=7)
    place, pushed_out = queue.join("c", 7)
    assert (place, pushed_out) == (place, places[4])
    assert places[4].phase is Phase.PUSHED_OUT
    assert queue.join("c", 7)[1] is places[3]
    assert queue.join("c", 7) == (None, None)
    assert len(queue) == 7


def test_who_was_promised_an_answer_or_has_begun_is_not_pushed_out() -> None:
    """An older one of the same client goes, or one of the client with the next most, or nobody."""
    queue = FairQueue()
    places = joined(queue, "aaaabbb", limit=7)
    queue.begin(queue.call(1)[0])
    places[3].is_promised = True
    assert queue.join("c", 7)[1] is places[2]
    places[1].is_promised = True
    assert queue.join("d", 7)[1] is places[6]
    places[4].is_promised = places[5].is_promised = True
    assert queue.join("e", 7) == (None, None)


def test_where_nobody_waits_nobody_is_pushed_out() -> None:
    """Those at work stay at work."""
    queue = FairQueue()
    joined(queue, "aaa", limit=3)
    call(queue, 3)
    assert queue.join("b", 3) == (None, None)


def test_who_leaves_at_rest_gives_back_nothing_more() -> None:
    """Its client's work was counted out when its engine was done with it."""
    queue = FairQueue()
    (place, *_) = joined(queue, "aa", limit=2)
    queue.begin(queue.call(1)[0])
    queue.rest(place)
    queue.leave(place)
    assert len(queue) == 1
    assert queue._clients["a"].busy == 0


EVENTS = st.tuples(
    st.sampled_from(["join", "call", "begin", "rest", "again", "leave", "promise"]),
    st.integers(0, 30),
)


@given(events=st.lists(EVENTS, max_size=80), limit=st.integers(0, 8))
def test_the_counts_are_those_of_the_places(events: list[tuple[str, int]], limit: int) -> None:
    """Whatever happens, in whatever order, also what must not; and in the end all can go."""
    queue, places = FairQueue(), list[Place]()
    for kind, number in events:
        happen(queue, places, kind, number, limit)
        phases = Counter(place.phase for place in places)
        assert queue.num_waiting == phases[Phase.WAITING]
        assert len(queue) == len(places) - phases[Phase.GONE] - phases[Phase.PUSHED_OUT] <= limit
        assert not any(p.is_promised and p.phase is Phase.PUSHED_OUT for p in places)
    waiting = [place for place in places if place.phase is Phase.WAITING]
    queue.call(PLENTY)
    assert {place.phase for place in waiting} <= {Phase.CALLED}
    for place in places:
        queue.leave(place)
    assert queue.call(PLENTY) == []
    assert vars(queue) == vars(FairQueue())


def happen(queue: FairQueue, places: list[Place], kind: str, number: int, limit: int) -> None:
    place: Any = places[number % len(places)] if places else None
    match kind:
        case "join":
            if (new := queue.join("abcd"[number % 4], limit)[0]) is not None:
                places.append(new)
        case "call":
            queue.call(number)
        case "promise" if place and place.phase is not Phase.PUSHED_OUT:
            place.is_promised = True
        case "begin" | "rest" | "again" | "leave" if place:
            getattr(queue, kind)(place)
