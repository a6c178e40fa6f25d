"""`stream_options` of chat completions and completions."""

from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, boolean, group, only

STREAM_OPTIONS = Field(
    group(
        {
            "include_usage": Field(boolean, "include_usage"),
            "include_obfuscation": Field(boolean, "include_obfuscation"),
            "continuous_usage_stats": Field(only(False)),
        }
    ),
    "stream_options",
)


def take_stream_options(attributes: dict[str, Any]) -> dict[str, Any]:
    """The options, taken out of `attributes`; raises `InvalidRequest` where nothing is streamed."""
    options: dict[str, Any] = attributes.pop("stream_options", {})
    if options and not attributes.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise InvalidRequest(message, "stream_options", "invalid_value")
    return options
