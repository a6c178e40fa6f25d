"""POST /v1/embeddings."""

import asyncio

import falcon.asgi
import msgspec

from serve_daemon.api.embeddings import (
    Embedding,
    EmbeddingList,
    EmbeddingRequest,
    EmbeddingUsage,
    read_embedding_request,
)
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.answers.reply import require_json
from serve_daemon.gateway.embeddings import vectors
from serve_daemon.gateway.embeddings.embedding import EmbeddingRun
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode

BYTES_AT_ONCE = 256 * 1024  # of vectors, written in some milliseconds; streams go on in between


class Embeddings:
    """The endpoint."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_embedding_request(exchange.body)
        made = await EmbeddingRun(wanted, exchange, self._models).vectors()
        usage = EmbeddingUsage(made.num_tokens, made.num_tokens)
        written = await _written(made.rows, wanted)
        response.data = encode(EmbeddingList(written, wanted.model, usage))


async def _written(rows: list[bytes], wanted: EmbeddingRequest) -> list[Embedding]:
    written: list[Embedding] = []
    size = 0
    for index, row in enumerate(rows):
        vector = vectors.cut(row, wanted.dimensions) if wanted.dimensions else row
        text = vectors.written(vector, wanted.encoding_format)
        written.append(Embedding(index, msgspec.Raw(text)))
        size += len(row)
        if size >= BYTES_AT_ONCE:
            size = 0
            await asyncio.sleep(0)
    return written
