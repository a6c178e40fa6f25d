"""The wiring: which resource answers which path."""

import falcon
import falcon.asgi

from serve_daemon.gateway.about.health import Health, Ready
from serve_daemon.gateway.about.metrics import Metrics, MetricsPage
from serve_daemon.gateway.about.models import ModelCollection, OneModel
from serve_daemon.gateway.about.openapi import OpenApi
from serve_daemon.gateway.about.tokens import Detokenize, Tokenize
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.chat.chat_completions import ChatCompletions
from serve_daemon.gateway.chat.completions import Completions
from serve_daemon.gateway.embeddings.embeddings import Embeddings
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.error_shapes import answer_error
from serve_daemon.gateway.http.front import Front
from serve_daemon.gateway.http.stalls import StallWatch
from serve_daemon.gateway.messages.messages import CountTokens, Messages
from serve_daemon.gateway.responses.compaction import Compact
from serve_daemon.gateway.responses.kept_responses import KeptResponses, nothing_kept
from serve_daemon.gateway.responses.responses import InputTokensCount, Responses
from serve_daemon.gateway.responses.stored import Cancelled, StoredInput, StoredResponse
from serve_daemon.gateway.ui.page import Page, PageWithSlash
from serve_daemon.gateway.ui.status import Events, Status
from serve_daemon.gateway.ui.watching import Watching


def create_app(
    models: Models,
    conditions: Conditions,
    stalls: StallWatch,
    kept: KeptResponses | None = None,
    metrics: MetricsPage | None = None,
) -> Front:
    """All that is asked over HTTP."""
    kept = kept or nothing_kept(models, conditions)
    app = falcon.asgi.App(media_type=falcon.MEDIA_JSON)
    for kind in (Exception, falcon.HTTPError):  # Falcon has a handler of its own for the latter
        app.add_error_handler(kind, answer_error)
    app.add_route("/health", Health())
    app.add_route("/ready", Ready(models.table, conditions))
    app.add_route("/openapi.json", OpenApi(models.table, lambda: conditions.keys.are_needed))
    app.add_route("/v1/models", ModelCollection(models))
    app.add_route("/v1/models/{model:path}", OneModel(models))
    app.add_route("/v1/responses", Responses(kept.making))
    app.add_route("/v1/responses/input_tokens", InputTokensCount(models, kept.history))
    app.add_route("/v1/responses/compact", Compact(models, kept.history))
    app.add_route("/v1/responses/{response_id}", StoredResponse(kept))
    app.add_route("/v1/responses/{response_id}/input_items", StoredInput(kept))
    app.add_route("/v1/responses/{response_id}/cancel", Cancelled(kept))
    app.add_route("/v1/chat/completions", ChatCompletions(models))
    app.add_route("/v1/completions", Completions(models))
    app.add_route("/v1/embeddings", Embeddings(models))
    app.add_route("/v1/messages", Messages(models))
    app.add_route("/v1/messages/count_tokens", CountTokens(models))
    app.add_route("/tokenize", Tokenize(models))
    app.add_route("/detokenize", Detokenize(models))
    for path, resource in _status_page(conditions).items():
        app.add_route(path, resource)
    if metrics is not None:
        app.add_route(conditions.settings.metrics_path, Metrics(metrics))
    return Front(app, conditions, stalls)


def _status_page(conditions: Conditions) -> dict[str, object]:
    watching = Watching(conditions)
    return {
        "/ui": Page(conditions),
        "/ui/": PageWithSlash(conditions),
        "/ui/{name}": Page(conditions),
        "/ui/status": Status(conditions, watching),
        "/ui/events": Events(conditions, watching),
    }
