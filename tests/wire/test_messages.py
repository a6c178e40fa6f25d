"""Every message survives the wire, and is understood by the conversation that it belongs to."""

import types
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.wire import messages, routing
from serve_daemon.wire.messages import EngineSpec, Message
from serve_daemon.wire.sampling import Sampling

CONVERSATIONS: list[Any] = [
    messages.ToEngine,
    messages.FromEngine,
    messages.SupervisorToEngine,
    messages.EngineToSupervisor,
    routing.SupervisorToGateway,
    routing.GatewayToSupervisor,
]
PAIRS = [(kind, each) for kind in CONVERSATIONS for each in get_args(kind)]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a message's field."""
    if isinstance(kind, types.UnionType):
        return st.one_of([values(each) for each in get_args(kind)])
    if isinstance(kind, types.GenericAlias) and kind.__origin__ is dict:
        return st.dictionaries(*map(values, get_args(kind)), max_size=3)
    if isinstance(kind, types.GenericAlias):
        return st.lists(values(get_args(kind)[0]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return st.builds(kind, **{each.name: values(each.type) for each in fields})
    simple: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**63), 2**64 - 1),
        float: st.floats(allow_nan=False),
        type(None): st.none(),
    }
    return simple[kind] if kind in simple else st.from_type(kind)


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@given(data=st.data())
def test_every_message_comes_out_as_it_went_in(conversation: Any, data: st.DataObject) -> None:
    """Whatever its fields hold."""
    message = data.draw(st.one_of([values(each) for each in get_args(conversation)]))
    decoder = msgspec.msgpack.Decoder(conversation)
    assert decoder.decode(msgspec.msgpack.encode(message)) == message


def test_every_message_belongs_to_a_conversation() -> None:
    """One that does not could never be understood."""
    defined = {
        each
        for each in (*vars(messages).values(), *vars(routing).values())
        if isinstance(each, type) and issubclass(each, Message) and each is not Message
    }
    assert defined == {each for _, each in PAIRS}


def test_messages_are_values() -> None:
    """They can't be changed once made, and equal content is equal."""
    with pytest.raises(AttributeError):
        messages.Cancel(1).sequence = 2  # type: ignore[misc]
    assert EngineSpec("m", "s") == EngineSpec(model="m", source="s")
    assert len({EngineSpec("m", "s"), EngineSpec("m", "s")}) == 1


def test_sampling_by_default_changes_nothing() -> None:
    """Plain draws from what the model says."""
    assert Sampling() == Sampling(temperature=1.0, top_p=1.0, top_k=0, seed=0)
