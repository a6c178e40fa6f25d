"""From the input of a request for embeddings to the tokens that engines are given."""

import asyncio
from collections.abc import Iterator

from msgspec import Struct
from tokenizers import Tokenizer

from serve_daemon.api.embeddings import MAX_TOKENS, WHOLE_CONTEXT, EmbeddingRequest
from serve_daemon.api.prompt import Prompt
from serve_daemon.gateway.answers import kinds
from serve_daemon.gateway.answers.prompts import LONG_CHARACTERS
from serve_daemon.gateway.common.errors import invalid
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.text.tokenizer import TextModels
from serve_daemon.wire.messages import EngineReady, Kind

# What an engine is given at once of a request. It takes several such parts together, of several
# requests; what it holds of one, and what the next engine does again, is no more than this.
PART_TEXTS = 256
PART_TOKENS = 16_384
PART_BYTES = 2**20  # of vectors, which come in one frame


class Part(Struct, frozen=True):
    """Some texts of a request, of about the same length."""

    places: list[int]  # in the request
    texts: list[list[int]]


class Texts(Struct, frozen=True):
    """A request in tokens, and the engine's word that they are for."""

    tokens: list[list[int]]  # of each text, in its order
    ready: EngineReady

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.tokens))

    def parts(self) -> Iterator[Part]:
        """All texts, the longest first, so that those of one part need little padding."""
        most = max(1, min(PART_TEXTS, PART_BYTES // (4 * self.ready.dimensions or 1)))
        places: list[int] = []
        room = PART_TOKENS
        for place in sorted(range(len(self.tokens)), key=lambda each: -len(self.tokens[each])):
            length = len(self.tokens[place])
            if places and (len(places) == most or length > room):
                yield self._part(places)
                places, room = [], PART_TOKENS
            places.append(place)
            room -= length
        yield self._part(places)

    def _part(self, places: list[int]) -> Part:
        return Part(places, [self.tokens[place] for place in places])


async def read(request: EmbeddingRequest, engine: Engine, texts: TextModels) -> Texts:
    """The request for the model that `engine` runs.

    Raises `ApiError` for one that this model can't make vectors of.
    """
    ready = engine.address.ready
    kinds.require(Kind.EMBEDDING, ready, request.model)
    if request.dimensions > ready.dimensions:
        message = (
            f"Invalid 'dimensions': {request.dimensions} is more than the {ready.dimensions} of the"
            f" vectors of '{request.model}'."
        )
        raise invalid(message, "dimensions", "invalid_value")
    tokenizer = (await texts.get(ready.artefacts)).tokenizer
    most = request.truncate_prompt_tokens
    most = ready.max_context if most == WHOLE_CONTEXT else most
    reader = _Reader(tokenizer, request.add_special_tokens, most)
    tokens = await reader.read(request.texts)
    _check(tokens, ready)
    return Texts(tokens, ready)


class _Reader(Struct, frozen=True):
    """How texts are tokenized."""

    tokenizer: Tokenizer
    special: bool
    most: int  # tokens of each, the rest is cut; 0: all

    async def read(self, prompts: list[Prompt]) -> list[list[int]]:
        characters = sum(len(each) for each in prompts if isinstance(each, str))
        if characters < LONG_CHARACTERS:
            return self._encode(prompts)
        return await asyncio.get_running_loop().run_in_executor(None, self._encode, prompts)

    def _encode(self, prompts: list[Prompt]) -> list[list[int]]:
        texts = [each for each in prompts if isinstance(each, str)]
        if not texts:
            return [tokens[: self.most or None] for tokens in prompts if isinstance(tokens, list)]
        if not self.most:
            encodings = self.tokenizer.encode_batch(texts, add_special_tokens=self.special)
            return [encoding.ids for encoding in encodings]
        room = self.most
        if self.special:
            room -= self.tokenizer.num_special_tokens_to_add(is_pair=False)
        if room < 1:
            message = (
                f"Invalid 'truncate_prompt_tokens': of {self.most} tokens the special ones leave"
                " none for the text."
            )
            raise invalid(message, "truncate_prompt_tokens", "invalid_value")
        return [self._cut(text, room) for text in texts]

    def _cut(self, text: str, room: int) -> list[int]:
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(room)
        return self.tokenizer.post_process(encoding, add_special_tokens=self.special).ids


def _check(tokens: list[list[int]], ready: EngineReady) -> None:
    """Raise `ApiError` 400 for what the model can't take; nothing is cut unasked."""
    total = 0
    for index, text in enumerate(tokens):
        where = f"input[{index}]" if len(tokens) > 1 else "input"
        if not text:
            raise invalid(f"Invalid '{where}': it has no tokens.", where, "empty_string")
        if len(text) > ready.max_context:
            message = (
                f"This model's maximum context length is {ready.max_context} tokens. However,"
                f" '{where}' resulted in {len(text)} tokens. Please reduce its length."
            )
            raise invalid(message, where, "context_length_exceeded")
        if (token := max(text)) >= ready.vocabulary:
            message = f"Invalid '{where}': the model's {ready.vocabulary} tokens have no {token}."
            raise invalid(message, where, "invalid_value")
        total += len(text)
    if total > MAX_TOKENS:
        message = f"Invalid 'input': {total} tokens in all are more than the most, {MAX_TOKENS}."
        raise invalid(message, "input", "max_tokens_per_request")
