"""When a client that was refused should come again, by what was seen of the queue."""

from serve_daemon.gateway.engines.turnover import MAX_SECONDS, MIN_SECONDS, Turnover


def seen(each_seconds: float, calls: int = 40) -> Turnover:
    """A queue of which one is called every so many seconds."""
    turnover = Turnover()
    turnover.note(0, 1, now=0.0)
    for number in range(1, calls + 1):
        turnover.note(1, 1, now=number * each_seconds)
    return turnover


def test_of_an_unknown_queue_the_least_is_said() -> None:
    """Also where nobody waits."""
    assert Turnover().retry_after_seconds(100) == MIN_SECONDS
    assert seen(1.0).retry_after_seconds(0) == MIN_SECONDS


def test_it_is_when_half_of_them_will_have_been_called() -> None:
    """So the queue does not run empty before those that were refused come again."""
    assert seen(0.5).retry_after_seconds(40) == 10


def test_it_is_never_more_than_clients_heed() -> None:
    """Nor is it less than a second."""
    assert seen(100.0).retry_after_seconds(40) == MAX_SECONDS
    assert seen(0.0001).retry_after_seconds(40) == MIN_SECONDS


def test_the_time_in_which_nobody_waits_is_no_time_of_the_queue() -> None:
    """An hour without requests does not make it slow."""
    turnover = seen(0.5)
    turnover.note(1, 0, now=20.5)
    turnover.note(0, 1, now=3600.0)
    turnover.note(1, 1, now=3600.5)
    assert turnover.retry_after_seconds(40) == 10


def test_those_that_are_called_together_share_the_time() -> None:
    """An engine that ends several at once is as fast as one that ends them one by one."""
    turnover = Turnover()
    turnover.note(0, 8, now=0.0)
    for number in range(1, 41):
        turnover.note(4, 8, now=number * 2.0)
    assert turnover.retry_after_seconds(40) == 10


def test_more_that_wait_do_not_begin_the_time_anew() -> None:
    """It counts from the last call."""
    turnover = seen(0.5)
    turnover.note(0, 5, now=20.25)
    turnover.note(1, 4, now=20.5)
    assert turnover.retry_after_seconds(40) == 10
