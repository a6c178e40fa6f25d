"""How the child programs write their logs: one JSON object a line, for the supervisor."""

import logging
import sys

import structlog

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_level = logging.INFO


def configure_child_logging(level: str) -> None:
    """Send structlog's events, and the warnings of libraries, to stderr as JSON lines."""
    set_level(level)
    logging.basicConfig(handlers=[_Library()], force=True)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            _drop_below_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> None:
    """Write records of this level and above from now on."""
    global _level  # noqa: PLW0603 - one process has one log level
    _level = LEVELS[level]
    # Libraries tell of their every step; only what they warn of is for an operator.
    logging.getLogger().setLevel(max(_level, logging.WARNING))


class _Library(logging.Handler):
    """Writes what a library has logged as a record of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        method = "error" if record.levelno >= logging.ERROR else "warning"
        write = getattr(structlog.get_logger(), method)
        write(record.getMessage(), library=record.name, exc_info=record.exc_info)


def _drop_below_level(
    _logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if LEVELS.get(method, logging.ERROR) < _level:
        raise structlog.DropEvent
    return event
