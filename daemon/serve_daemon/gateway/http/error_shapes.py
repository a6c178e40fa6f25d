"""How an error is written: in the shape that the client's API gives it."""

import falcon
import falcon.asgi

from serve_daemon.api.anthropic_replies import AnthropicError, AnthropicErrorReply
from serve_daemon.api.errors import ErrorBody, ErrorReply
from serve_daemon.gateway.common.errors import ApiError, as_api_error
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode

# Anthropic's types, by OpenAI's type of an error, and by its code where that says more.
_TYPES = {
    "authentication_error": "authentication_error",
    "invalid_request_error": "invalid_request_error",
    "permission_error": "permission_error",
    "rate_limit_error": "rate_limit_error",
}
_TYPES_BY_CODE = {
    "invalid_api_key": "authentication_error",
    "model_not_found": "not_found_error",
    "model_unavailable": "overloaded_error",
    "not_found": "not_found_error",
    "overloaded": "overloaded_error",
    "request_timeout": "timeout_error",
    "request_too_large": "request_too_large",
    "server_shutting_down": "overloaded_error",
}


def anthropic_error(error: ErrorBody, request_id: str) -> AnthropicErrorReply:
    """The error as a client of Anthropic's API reads it."""
    kind = _TYPES_BY_CODE.get(error.code or "") or _TYPES.get(error.type, "api_error")
    told = AnthropicError(type=kind, message=error.message)
    return AnthropicErrorReply(error=told, request_id=request_id)


def error_body(error: ApiError, exchange: Exchange) -> bytes:
    """The body of the reply."""
    if exchange.is_anthropic:
        return encode(anthropic_error(error.body, exchange.request_id))
    return encode(ErrorReply(error.body))


async def answer_error(
    request: falcon.asgi.Request,
    response: falcon.asgi.Response,
    error: Exception,
    _params: object,
) -> None:
    """Falcon's handler for every exception."""
    exchange: Exchange = request.scope["serve.exchange"]
    problem = as_api_error(error, exchange.request_id)
    exchange.error = problem.body.code
    if isinstance(error, falcon.HTTPError) and error.headers:
        response.set_headers(error.headers)  # such as Allow
    response.set_headers(problem.headers)
    response.status = problem.status
    response.content_type = falcon.MEDIA_JSON
    response.data = error_body(problem, exchange)
    response.sse = None
