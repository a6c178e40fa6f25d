"""GET and HEAD of /v1/models and /v1/models/MODEL."""

from datetime import UTC, datetime
from typing import Any

import falcon.asgi

from serve_daemon.api.models import (
    ENDPOINTS,
    AnthropicModel,
    AnthropicModelList,
    Features,
    Kind,
    ModelList,
    ModelReply,
)
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.common.errors import ApiError, invalid
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.parsing.tool_syntax import reasoning_of
from serve_daemon.wire.routing import Route

PAGE = 20  # models of Anthropic's list, where the client does not say
MAX_PAGE = 1000


class ModelCollection:
    """All models that the client may use, whatever state they are in."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        exchange: Exchange = request.scope["serve.exchange"]
        default = PAGE if exchange.is_anthropic else MAX_PAGE
        routes, has_more = _page(self._models.table.routes, request, default)
        if exchange.is_anthropic:
            response.data = encode(anthropic_list(routes, has_more=has_more))
        else:
            replies = [await describe(route.model, route, self._models) for route in routes]
            response.data = encode(ModelList(replies))

    on_head = on_get


class OneModel:
    """One model, by its name or an alias."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_get(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, model: str
    ) -> None:
        route = self._models.table.find(model)
        exchange: Exchange = request.scope["serve.exchange"]
        if exchange.is_anthropic:
            response.data = encode(as_anthropic(model, route))
        else:
            response.data = encode(await describe(model, route, self._models))

    on_head = on_get


async def describe(name: str, route: Route, models: Models) -> ModelReply:
    """The model, with what is known of it from its engine."""
    kind: Kind = "embedding" if route.engine == "embedding" else "generation"
    known: dict[str, Any] = {}
    if route.engines:
        ready = route.engines[0].ready
        known = {
            "max_model_len": ready.max_context,
            "max_requests": sum(each.ready.max_requests for each in route.engines),
            "device": ready.device,
            "dtype": ready.dtype,
            "attn_implementation": ready.attn_implementation,
            "dimensions": ready.dimensions or None,
        }
    return ModelReply(
        id=name,
        created=route.created,
        aliases=route.aliases,
        state=route.state,
        reason=route.reason,
        kind=kind,
        endpoints=ENDPOINTS[kind],
        features=await _features(kind, route, models),
        engine=route.engine,
        quantization=route.quantization,
        **known,
    )


async def _features(kind: Kind, route: Route, models: Models) -> Features:
    generates = kind == "generation"
    return Features(
        tools=generates,
        structured_outputs=generates,
        logprobs=generates,
        reasoning=await _reasons(route, models) if generates else False,
    )


async def _reasons(route: Route, models: Models) -> bool | None:
    """Whether the model may think before it answers; None while its chat template is unknown."""
    if not route.engines:
        return None
    try:
        text_model = await models.prompts.texts.get(route.engines[0].ready.artefacts)
    except ApiError:  # it has no tokenizer, or a broken one
        return None
    return reasoning_of(text_model, "") is not None


# ---------------------------------------------------------------- a page of them


def _page(
    routes: list[Route], request: falcon.asgi.Request, default: int
) -> tuple[list[Route], bool]:
    """Those after, or before, the one that the client names, and whether there are more.

    Raises `ApiError` 400 for a name that is none.
    """
    limit = request.get_param_as_int("limit", min_value=1, max_value=MAX_PAGE, default=default)
    names = [route.model for route in routes]
    before = request.get_param("before_id")
    first = _position(names, request.get_param("after_id"), "after_id", -1) + 1
    last = _position(names, before, "before_id", len(names))
    if before is None:
        return routes[first:last][:limit], first + limit < last
    return routes[max(first, last - limit) : last], first < last - limit


def _position(names: list[str], name: str | None, param: str, default: int) -> int:
    if name is None:
        return default
    if name not in names:
        raise invalid(f"Invalid '{param}': there is no model '{name}'.", param, "invalid_value")
    return names.index(name)


# ---------------------------------------------------------------- as Anthropic has it


def as_anthropic(name: str, route: Route) -> AnthropicModel:
    """The model as a client of Anthropic's API expects it."""
    limit = route.engines[0].ready.max_context if route.engines else None
    return AnthropicModel(
        id=name,
        display_name=name,
        created_at=datetime.fromtimestamp(route.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        max_input_tokens=limit,
        max_tokens=limit,
    )


def anthropic_list(routes: list[Route], *, has_more: bool) -> AnthropicModelList:
    return AnthropicModelList(
        data=[as_anthropic(route.model, route) for route in routes],
        has_more=has_more,
        first_id=routes[0].model if routes else None,
        last_id=routes[-1].model if routes else None,
    )
