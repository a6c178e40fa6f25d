"""The grammar that holds an answer to what its request says, made beside the event loop."""

import asyncio

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.grammars.grammars import grammar_of, is_free
from serve_daemon.gateway.grammars.lark import special_tokens
from serve_daemon.gateway.parsing.writing import Writing
from serve_daemon.gateway.text.tokenizer import TextModel


async def constraint(request: GenerationRequest, text_model: TextModel, writing: Writing) -> str:
    """The grammar of the answers, which are written so; "" where they may be anything.

    Raises `InvalidRequest` where none can be made.
    """
    if is_free(request):
        return ""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, _constraint, request, text_model, writing)


def _constraint(request: GenerationRequest, text_model: TextModel, writing: Writing) -> str:
    special = special_tokens(text_model.tokenizer)
    return grammar_of(request, writing.syntax, writing.reasoning, special)
