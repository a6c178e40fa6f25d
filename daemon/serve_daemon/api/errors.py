"""What can be wrong with a request, in the shape that OpenAI's API gives it."""

from msgspec import Struct


class ErrorBody(Struct, frozen=True):
    """The value of "error"."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(Struct, frozen=True):
    """The whole body of a reply with an error status."""

    error: ErrorBody


class InvalidRequest(Exception):  # noqa: N818 - it says what the request is
    """The client asked for what can't be: status 400, and the field's path."""

    def __init__(self, message: str, param: str | None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
