"""How many connections there can be: as many as the process may have open files for."""

import resource

import structlog

log = structlog.get_logger()

SPARE_DESCRIPTORS = 256  # beside those of clients: engines, link, libraries


def raise_descriptor_limit() -> int:
    """Let the process have as many open files as it may; returns how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def places(wanted: int, num_sockets: int, descriptors: int) -> int:
    """How many connections may be open at each listening socket."""
    possible = max(1, (descriptors - SPARE_DESCRIPTORS) // num_sockets)
    if wanted > possible:
        log.warning("fewer connections: descriptors are scarce", wanted=wanted, possible=possible)
    return min(wanted, possible)
