"""What clients are told about responses that are not kept, or can't be."""

from serve_daemon.api.errors import ErrorBody
from serve_daemon.gateway.common.errors import INVALID, SERVER, ApiError, invalid


def store_unavailable(reason: object) -> ApiError:
    message = f"Responses can't be kept or found at the moment: {reason}."
    return ApiError(503, ErrorBody(message, SERVER, None, "store_unavailable"))


def not_found(response_id: str) -> ApiError:
    message = f"Response with id '{response_id:.80}' not found."
    return ApiError(404, ErrorBody(message, INVALID, None, "not_found"))


def previous_not_found(response_id: str) -> ApiError:
    message = f"Previous response with id '{response_id:.80}' not found."
    return invalid(message, "previous_response_id", "previous_response_not_found")


def previous_not_ended(response_id: str) -> ApiError:
    message = f"Previous response with id '{response_id:.80}' is still in progress."
    return invalid(message, "previous_response_id", "previous_response_not_ready")


def too_long(message: str) -> ApiError:
    return invalid(f"Too much to go on with: {message}.", "previous_response_id", "too_long")


def not_in_background(response_id: str) -> ApiError:
    return invalid(
        f"Response with id '{response_id:.80}' can't be cancelled: only those are that were made"
        " with background true; of others the client closes the connection."
    )


def not_streamed(response_id: str) -> ApiError:
    return invalid(
        f"Response with id '{response_id:.80}' can't be streamed: its events are kept only where"
        " stream or background was true, and for an hour after its end. GET it without stream.",
        "stream",
    )


def needs_store() -> ApiError:
    message = "A response in the background is one that is kept: 'background' needs 'store'."
    return invalid(message, "store", "invalid_value")


def was_deleted(response_id: str) -> ApiError:
    message = f"The response '{response_id:.80}' was deleted."
    return ApiError(404, ErrorBody(message, INVALID, None, "not_found"))
