"""What is known of the models that are served, by which all requests are answered."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from serve_daemon.gateway.answers.prompts import Prepared, Prompts
from serve_daemon.gateway.engines.routes import RoutingTable

log = structlog.get_logger()


@dataclass(eq=False)
class Models:
    table: RoutingTable
    prompts: Prompts
    logs_prompts: bool = False  # what a model is asked is written down

    def log_prompt(self, model: str, prepared: Prepared, identity: Mapping[str, str]) -> None:
        """Write down what the model is asked, where that is wanted."""
        if self.logs_prompts:
            tokenizer = prepared.text_model.tokenizer
            text = tokenizer.decode(prepared.order.tokens, skip_special_tokens=False)
            log.info("prompt", model=model, prompt=text, **identity)
