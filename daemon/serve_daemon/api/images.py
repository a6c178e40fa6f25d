"""Images, which models that read text alone can't see.

Open Responses has images in what users say, and clients send whole conversations; so they are no
reason to fail: the model is told that there was one.
"""

from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, Table, object_schema, only, read_object, text
from serve_daemon.api.schemas import described
from serve_daemon.api.variants import variant

UNSEEN_IMAGE = "\n[Here is an image, which you can't see: you read text only.]\n"
NOTE = "the model is told that there is an image, which it can't see"
IMAGE_STARTS = ("http://", "https://", "data:image/")


@described({"type": "string", "pattern": "^(https?://|data:image/)"})
def image_url(value: Any, path: str) -> str:
    """A URL of an image, or its data in one; it is not fetched."""
    if not text(value, path).startswith(IMAGE_STARTS):
        message = f"Invalid '{path}': expected a URL, or a data URL of an image."
        raise InvalidRequest(message, path, "invalid_value")
    return UNSEEN_IMAGE


# ---------------------------------------------------------------- Chat Completions

_SHOWN: Table = {
    "url": Field(image_url, "text", required=True, note=NOTE),
    "detail": Field(only("auto", "low", "high", "original")),
}


@described(object_schema(_SHOWN))
def shown_image(value: Any, path: str) -> str:
    """The `image_url` of a part."""
    return str(read_object(_SHOWN, value, path)["text"])


# ---------------------------------------------------------------- Messages

MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_SOURCES = variant(
    {
        "base64": {
            "type": Field(text),
            "media_type": Field(only(*MEDIA_TYPES), required=True),
            "data": Field(text, required=True, note=NOTE),
        },
        "url": {"type": Field(text), "url": Field(image_url, required=True, note=NOTE)},
    },
    refused={"file": "no files are kept here; send the image itself"},
)


@described(_SOURCES.schema)
def image_source(value: Any, path: str) -> str:
    """The `source` of a block."""
    _SOURCES(value, path)
    return UNSEEN_IMAGE
