"""What the API can be asked: every method of every path, with what goes in and what comes out."""

from typing import Any

from serve_daemon.api.anthropic import COUNTED, MESSAGES
from serve_daemon.api.anthropic_replies import (
    AnthropicErrorReply,
    BlockDelta,
    BlockStart,
    BlockStop,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    TokensCount,
)
from serve_daemon.api.chat_completions import CHAT_COMPLETIONS
from serve_daemon.api.chat_objects import ChatChunk, ChatChunkWithUsage, ChatCompletion
from serve_daemon.api.completions import COMPLETIONS, TextCompletion
from serve_daemon.api.embeddings import EMBEDDINGS, EmbeddingList
from serve_daemon.api.errors import ErrorReply
from serve_daemon.api.models import AnthropicModel, AnthropicModelList, ModelList, ModelReply
from serve_daemon.api.operation import Operation, Parameter
from serve_daemon.api.readiness import Readiness
from serve_daemon.api.response_operations import RESPONSE_OPERATIONS
from serve_daemon.api.stored_operations import STORED_OPERATIONS
from serve_daemon.api.tokens import DETOKENIZE, TOKENIZE, Detokenized, Tokenized

MODEL = Parameter("model", "path", {"type": "string", "minLength": 1}, "Its name, or an alias.")
VERSION = Parameter(
    "anthropic-version",
    "header",
    {"type": "string"},
    "Where it is there, the reply has the form of Anthropic's API.",
)
PAGE = (
    Parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000}),
    Parameter("after_id", "query", {"type": "string"}, "The last model of the page before."),
    Parameter("before_id", "query", {"type": "string"}, "The first model of the page after."),
)

MESSAGE_EVENTS = (
    MessageStart,
    BlockStart,
    BlockDelta,
    BlockStop,
    MessageDelta,
    MessageStop,
    Ping,
    AnthropicErrorReply,
)

GENERATING = (
    Operation(
        method="post",
        path="/v1/chat/completions",
        name="createChatCompletion",
        summary="The next message of a conversation, as OpenAI's API has it",
        table=CHAT_COMPLETIONS,
        replies=(ChatCompletion,),
        events=(ChatChunk, ChatChunkWithUsage, ErrorReply),
    ),
    Operation(
        method="post",
        path="/v1/completions",
        name="createCompletion",
        summary="What follows a text, as OpenAI's API has it",
        table=COMPLETIONS,
        replies=(TextCompletion,),
        events=(TextCompletion, ErrorReply),
    ),
    Operation(
        method="post",
        path="/v1/messages",
        name="createMessage",
        summary="The next message of a conversation, as Anthropic's API has it",
        table=MESSAGES,
        replies=(Message,),
        events=MESSAGE_EVENTS,
        ends_with_done=False,
        errors=(AnthropicErrorReply,),
    ),
)
OTHERS = (
    Operation(
        method="post",
        path="/v1/messages/count_tokens",
        name="countTokens",
        summary="How many tokens a conversation has, as Anthropic's API tells it",
        table=COUNTED,
        replies=(TokensCount,),
        errors=(AnthropicErrorReply,),
    ),
    Operation(
        method="post",
        path="/v1/embeddings",
        name="createEmbedding",
        summary="Vectors of texts, as OpenAI's API has it",
        table=EMBEDDINGS,
        kind="embedding",
        replies=(EmbeddingList,),
    ),
    Operation(
        method="post",
        path="/tokenize",
        name="tokenize",
        summary="The tokens of a text or a conversation, as vLLM has it",
        table=TOKENIZE,
        replies=(Tokenized,),
    ),
    Operation(
        method="post",
        path="/detokenize",
        name="detokenize",
        summary="The text of tokens, as vLLM has it",
        table=DETOKENIZE,
        replies=(Detokenized,),
    ),
    Operation(
        method="get",
        path="/v1/models",
        name="listModels",
        summary="The models and what they can do",
        parameters=(VERSION, *PAGE),
        replies=(ModelList, AnthropicModelList),
        errors=(ErrorReply, AnthropicErrorReply),
        has_head=True,
    ),
    Operation(
        method="get",
        path="/v1/models/{model}",
        name="retrieveModel",
        summary="A model and what it can do",
        parameters=(MODEL, VERSION),
        replies=(ModelReply, AnthropicModel),
        errors=(ErrorReply, AnthropicErrorReply),
        has_head=True,
    ),
    Operation(
        method="get",
        path="/health",
        name="health",
        summary="Whether the gateway lives",
        replies=(dict[str, str],),
        is_open=True,
        has_head=True,
    ),
    Operation(
        method="get",
        path="/ready",
        name="ready",
        summary="Whether every model that is to be loaded is ready, or the one that is named",
        parameters=(Parameter("model", "query", {"type": "string"}, "Its name, or an alias."),),
        replies=(Readiness,),
        not_ready=Readiness,
        is_open=True,
        has_head=True,
    ),
    Operation(
        method="get",
        path="/openapi.json",
        name="openapi",
        summary="This document",
        replies=(dict[str, Any],),
        is_open=True,
        has_head=True,
    ),
)
OPERATIONS = (*RESPONSE_OPERATIONS, *STORED_OPERATIONS, *GENERATING, *OTHERS)
