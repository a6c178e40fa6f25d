"""GET /openapi.json, and whether it tells of what the gateway answers."""

import re
from typing import Any

import falcon.inspect
import httpx

from fakes.supervisor import FakeSupervisor
from serve_daemon.api.openapi import document
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.answers.prompts import Prompts
from serve_daemon.gateway.app import create_app
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.stalls import StallWatch
from serve_daemon.gateway.text.chat_template import ChatTemplates
from serve_daemon.gateway.text.tokenizer import TextModels
from serve_daemon.wire.routing import GatewaySettings

METHODS = {"GET", "HEAD", "POST", "DELETE"}
STATUS_PAGE = re.compile(r"/ui(/.*)?")  # is for people


def routes_of(app: Any) -> set[tuple[str, str]]:
    """Every method of every path that the application answers."""
    found = set()
    for route in falcon.inspect.inspect_routes(app):
        path = re.sub(r"\{(\w+)(:\w+)?\}", r"{\1}", route.path)
        found |= {
            (each.method, path)
            for each in route.methods
            if each.method in METHODS and not each.internal and not STATUS_PAGE.fullmatch(path)
        }
    return found


async def test_it_tells_of_every_route_and_of_no_other() -> None:
    """By the application's own router."""
    models = Models(RoutingTable(lambda _message: None), Prompts(TextModels(), ChatTemplates()))
    conditions = Conditions(GatewaySettings())
    front = create_app(models, conditions, StallWatch(conditions))
    paths: dict[str, Any] = document({}, needs_key=False)["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert told == routes_of(front._application)


async def test_it_is_served(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """With the names of the models that there are."""
    await supervisor.route("one")
    request = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert request["CreateMessageRequest"]["properties"]["model"]["enum"] == ["one", "one-alias"]
    await supervisor.route("two")
    request = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert "two" in request["CreateMessageRequest"]["properties"]["model"]["enum"]
    assert (await client.head("/openapi.json")).status_code == 200
