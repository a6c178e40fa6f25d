"""Every message of a download that stands for itself, to the supervisor that started it."""

from serve_daemon.wire.messages import Failing, Message, Progress


class Pulled(Message, frozen=True):
    """All of it is in the cache; the last words."""

    path: str


PullToSupervisor = Progress | Pulled | Failing
