"""The response object of a request: what was asked for, and what it took."""

from serve_daemon.api.response_objects import (
    InputTokensDetails,
    OutputTokensDetails,
    ReasoningSettings,
    Response,
    ResponseUsage,
    TextSettings,
    format_object,
    tool_objects,
)
from serve_daemon.api.responses import ResponsesRequest
from serve_daemon.gateway.answers.completion import Completion


def response_of(request: ResponsesRequest, completion: Completion, *, has_usage: bool) -> Response:
    """The response before anything is known of it but the request and how it is sampled."""
    sampling = completion.sampling
    return Response(
        id="",
        created_at=0,
        status="in_progress",
        model=request.model,
        output=[],
        usage=usage_of(completion) if has_usage else None,
        instructions=request.instructions,
        max_output_tokens=request.max_tokens,
        max_tool_calls=request.max_tool_calls,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_logprobs=request.top_logprobs,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        metadata=request.metadata,
        user=request.user,
        safety_identifier=request.safety_identifier,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention,
        parallel_tool_calls=request.parallel_tool_calls,
        tool_choice=request.tool_choice_asked,
        tools=tool_objects(request.tools),
        text=TextSettings(format_object(request.output_format), request.verbosity),
        reasoning=ReasoningSettings(request.reasoning_effort, request.summary),
        truncation=request.truncation,
        store=bool(request.store),
        background=request.background,
        previous_response_id=request.previous_response_id,
    )


def usage_of(completion: Completion) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=completion.prompt_tokens,
        input_tokens_details=InputTokensDetails(completion.cached_tokens),
        output_tokens=completion.completion_tokens,
        output_tokens_details=OutputTokensDetails(completion.reasoning_tokens),
        total_tokens=completion.prompt_tokens + completion.completion_tokens,
    )
