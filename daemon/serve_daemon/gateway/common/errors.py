"""The one place where something wrong becomes an error of the API, with its status."""

import falcon
import structlog

from serve_daemon.api.errors import ErrorBody, InvalidRequest

log = structlog.get_logger()

INVALID = "invalid_request_error"
SERVER = "server_error"
UNAUTHORIZED = 401
# Errors of Falcon itself; the others get their status as code.
CODES = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}


class ApiError(Exception):
    """A reply that is an error: its status, its body, and when to try again."""

    def __init__(
        self, status: int, body: ErrorBody, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(body.message)
        self.status = status
        self.body = body
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        if self.status == UNAUTHORIZED:
            return {"www-authenticate": "Bearer"}
        if self.retry_after_seconds is None:
            return {}
        return {"retry-after": str(self.retry_after_seconds)}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, ErrorBody(message, INVALID, param, code))


def model_not_found(name: str) -> ApiError:
    message = (
        f"The model '{name}' does not exist or you do not have access to it; GET /v1/models lists"
        " those that you may use."
    )
    return ApiError(404, ErrorBody(message, INVALID, "model", "model_not_found"))


def unauthorized(message: str) -> ApiError:
    return ApiError(UNAUTHORIZED, ErrorBody(message, INVALID, None, "invalid_api_key"))


def too_large(limit_bytes: int) -> ApiError:
    message = f"The request body is larger than {limit_bytes} bytes."
    return ApiError(413, ErrorBody(message, INVALID, None, "request_too_large"))


def too_slow(limit_seconds: float) -> ApiError:
    message = f"The request body did not arrive within {limit_seconds:g} seconds."
    return ApiError(408, ErrorBody(message, INVALID, None, "request_timeout"))


def incomplete() -> ApiError:
    message = "The request body ended early, or its chunks are malformed."
    return ApiError(400, ErrorBody(message, INVALID, None, "invalid_body"))


def queue_full(model: str, limit: int, retry_after_seconds: int) -> ApiError:
    message = f"The model '{model}' has {limit} open requests already; try again later."
    return _too_many(message, retry_after_seconds)


def pushed_out(model: str, retry_after_seconds: int) -> ApiError:
    message = (
        f"The model '{model}' has as many open requests as it may, most of them of this client,"
        " and another one came; try again later."
    )
    return _too_many(message, retry_after_seconds)


def _too_many(message: str, retry_after_seconds: int) -> ApiError:
    body = ErrorBody(message, "rate_limit_error", None, "rate_limit_exceeded")
    return ApiError(429, body, retry_after_seconds=retry_after_seconds)


def unavailable(message: str) -> ApiError:
    body = ErrorBody(message, SERVER, None, "model_unavailable")
    return ApiError(503, body, retry_after_seconds=5)


def overloaded() -> ApiError:
    message = "Too many large requests are on their way; try again later."
    body = ErrorBody(message, SERVER, None, "overloaded")
    return ApiError(503, body, retry_after_seconds=1)


def shutting_down() -> ApiError:
    message = "The server shuts down, and has no more time for this request; send it again."
    body = ErrorBody(message, SERVER, None, "server_shutting_down")
    return ApiError(503, body, retry_after_seconds=5)


def draining() -> ApiError:
    message = "The server takes no new requests at the moment; send it to another one, or again."
    body = ErrorBody(message, SERVER, None, "server_draining")
    return ApiError(503, body, retry_after_seconds=5)


def metrics_unavailable(message: str) -> ApiError:
    return ApiError(503, ErrorBody(message, SERVER, None, "metrics_unavailable"))


def failed(message: str) -> ApiError:
    return ApiError(500, ErrorBody(message, SERVER, None, "server_error"))


def engine_failed(message: str) -> ApiError:
    return ApiError(500, ErrorBody(message, SERVER, None, "engine_failed"))


def unexpected(request_id: str) -> ApiError:
    return failed(f"The server had an error; its log has more under request {request_id}.")


def as_api_error(error: Exception, request_id: str) -> ApiError:
    """The reply to any exception; those that nobody expected are logged with their traceback."""
    match error:
        case ApiError():
            return error
        case InvalidRequest():
            return invalid(error.message, error.param, error.code)
        case falcon.HTTPError():
            message = error.description or error.title or "Error"
            code = CODES.get(error.status_code, str(error.status_code))
            return ApiError(error.status_code, ErrorBody(message, INVALID, None, code))
    log.error("request failed unexpectedly", exc_info=error)
    return unexpected(request_id)
