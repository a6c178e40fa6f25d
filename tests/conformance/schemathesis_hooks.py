"""What schemathesis asks OpenAI's endpoints for: a model that is served, and few tokens of it."""

from typing import Any

import schemathesis

MODELS = {"/embeddings": "vectors"}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Else all that would be seen is that nobody knows the model."""
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body["model"] = MODELS.get(context.operation.path, "text")
    return body
