"""The benchmark of many streams: what it takes for the gateway's delay, and a short run of it."""

import argparse
import asyncio

import pytest

from counting_clients import Client, request
from many_streams import HEAD, Load, Run, added_seconds, measure, text
from processes import ServerError


def test_a_delay_is_from_sending_to_receiving_in_the_time_that_counts() -> None:
    """Tokens sent before all streams are open, or when some have ended, are not counted."""
    run = Run(begin=10.0, end=12.0)
    sent = {"a": [9.9, 10.0, 11.0], "b": [11.5, 12.0]}
    arrived = {"a": [10.5, 10.25, 11.5], "b": [11.75, 12.5]}
    assert added_seconds(run, sent, arrived) == [0.25, 0.5, 0.25]


def test_a_stream_that_lacks_a_token_is_an_error() -> None:
    """No figure comes of it."""
    with pytest.raises(ServerError, match="a: 2 tokens sent, 1 received"):
        added_seconds(Run(), {"a": [1.0, 2.0]}, {"a": [1.5]})


async def test_a_client_notes_each_token_and_whether_the_reply_was_one() -> None:
    """Also several in one event, and none in the one that says the role."""
    ended = asyncio.get_running_loop().create_future()
    client = Client(b"", ended)
    client.data_received(b'HTTP/1.1 200 OK\r\n\r\ndata: {"delta":{"role":"a","content":""}}\n\n')
    client.data_received(b'data: {"delta":{"content":"1"}}\n\ndata: {"delta":{"content":" 2"}}\n\n')
    client.connection_lost(None)
    assert len(client.arrivals) == 3
    assert ended.result() is None
    refused = asyncio.get_running_loop().create_future()
    client = Client(b"", refused)
    client.data_received(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")
    client.connection_lost(None)
    with pytest.raises(ServerError, match="429"):
        refused.result()


def test_a_request_says_who_it_is() -> None:
    """So that the engine's notes and the client's can be joined."""
    assert b"X-Request-Id: stream-7\r\n" in request("m", 7, 20)


@pytest.mark.long
@pytest.mark.parametrize("is_lockstep", [False, True])
def test_a_short_run_has_a_row(is_lockstep: bool) -> None:
    """Of a whole daemon, all of whose tokens arrive."""
    chosen = argparse.Namespace(ramp=1.0, seconds=3.0)
    row = measure(Load("few", 20, 20.0, is_lockstep), chosen)
    name, rate, *figures = (cell.strip() for cell in row.strip("|").split("|"))
    assert name == "few"
    assert float(rate) > 0
    assert len(figures) == 7


def test_the_section_says_what_was_asked_and_where() -> None:
    """Above the table."""
    chosen = argparse.Namespace(streams=2000, rate=5.0, seconds=20.0)
    section = text(chosen, ["| a row |"])
    assert "2000 streams of chat completions at 5 tokens/s each" in section
    assert "at a nice value of 0" in section
    assert section.endswith(f"{HEAD}\n| a row |")
