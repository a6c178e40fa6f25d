"""Where a response in the making is, or is to be, kept."""

from enum import Enum, auto

from msgspec import Struct

from serve_daemon.gateway.store.journal import Told
from serve_daemon.gateway.store.records import NewRecord
from serve_daemon.gateway.store.store import Store

NOTHING = Told([], 0, b"")


class Extent(Enum):
    """What the store takes of a response; less where it has failed."""

    ALL = auto()
    END = auto()  # the response, once it is whole
    NONE = auto()


class Kept(Struct, frozen=True):
    store: Store
    record: NewRecord
    is_required: bool  # there is no answer without that
    number: int = 0  # 0: it is not there yet
    told: Told = NOTHING  # by an earlier worker
    is_taken_over: bool = False
