"""From a request for embeddings to tokens, by the tokenizer of the real all-MiniLM-L6-v2."""

from pathlib import Path
from typing import Any

import pytest

from engine.client import MINILM
from serve_daemon.api.embeddings import EmbeddingRequest
from serve_daemon.config.located import located
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.embeddings import texts
from serve_daemon.gateway.embeddings.texts import PART_BYTES, PART_TEXTS, PART_TOKENS, Texts
from serve_daemon.gateway.text.tokenizer import TextModels
from serve_daemon.wire.messages import EngineReady, Kind

CLS, SEP, HELLO, WORLD = 101, 102, 7592, 2088


class Engine:
    """As much of one as is asked for what it said."""

    def __init__(self, ready: EngineReady) -> None:
        self.address = self
        self.ready = ready


def ready(artefacts: Path, **changes: Any) -> EngineReady:
    values: dict[str, Any] = {
        "artefacts": str(artefacts),
        "max_context": 8,
        "max_requests": 4,
        "vocabulary": 30522,
        "eos_tokens": [],
        "device": "cpu",
        "dtype": "float32",
        "attn_implementation": "sdpa",
        "weights_bytes": 1,
        "kv_cache_bytes": 0,
        "kind": Kind.EMBEDDING,
        "dimensions": 384,
    }
    return EngineReady(**values | changes)


async def tokens_of(*given: Any, **fields: Any) -> list[list[int]]:
    folder = located(MINILM)
    if folder is None:
        pytest.skip("the package of the model is not installed")
    request = EmbeddingRequest(model="m", texts=list(given), **fields)
    engine: Any = Engine(ready(folder))
    return (await texts.read(request, engine, TextModels())).tokens


async def test_the_tokenizer_adds_its_special_tokens() -> None:
    """To texts, unless that is not wanted; token ids are taken as they are."""
    assert await tokens_of("Hello world", "hello") == [[CLS, HELLO, WORLD, SEP], [CLS, HELLO, SEP]]
    assert await tokens_of("hello", add_special_tokens=False) == [[HELLO]]
    assert await tokens_of([HELLO, WORLD], [5]) == [[HELLO, WORLD], [5]]


async def test_a_text_is_cut_only_where_that_is_asked_for() -> None:
    """Its end goes, special tokens stay; -1 is as much as the model takes."""
    long = "hello " * 9
    with pytest.raises(ApiError) as refused:
        await tokens_of("hello", long)
    assert refused.value.body.code == "context_length_exceeded"
    assert refused.value.body.param == "input[1]"
    assert "maximum context length is 8 tokens" in refused.value.body.message
    assert "resulted in 11 tokens" in refused.value.body.message
    cut = await tokens_of("hello", long, truncate_prompt_tokens=-1)
    assert cut == [[CLS, HELLO, SEP], [CLS, *[HELLO] * 6, SEP]]
    assert await tokens_of(long, truncate_prompt_tokens=3) == [[CLS, HELLO, SEP]]
    assert await tokens_of([1, 2, 3], truncate_prompt_tokens=2) == [[1, 2]]


@pytest.mark.parametrize(
    ("given", "fields", "param", "told"),
    [
        ([1, 30522], {}, "input", "30522 tokens have no 30522"),
        ("\u200b", {"add_special_tokens": False}, "input", "no tokens"),
        ("hello", {"truncate_prompt_tokens": 2}, "truncate_prompt_tokens", "special ones leave"),
        ("hello", {"dimensions": 385}, "dimensions", "385 is more than the 384"),
    ],
)
async def test_what_the_model_can_not_take_is_refused(
    given: Any, fields: dict[str, Any], param: str, told: str
) -> None:
    """With the field that is to blame."""
    with pytest.raises(ApiError) as refused:
        await tokens_of(given, **fields)
    assert (refused.value.status, refused.value.body.param) == (400, param)
    assert told in refused.value.body.message


async def test_all_texts_together_are_bounded() -> None:
    """However short each of them is."""
    with pytest.raises(ApiError, match="more than the most, 300000") as refused:
        await tokens_of(*[[1, 2, 3, 4, 5, 6, 7, 8]] * 37_501)
    assert refused.value.body.code == "max_tokens_per_request"


def parts_of(lengths: list[int], dimensions: int = 4) -> list[list[int]]:
    prepared = Texts([[1] * length for length in lengths], ready(Path(), dimensions=dimensions))
    return [part.places for part in prepared.parts()]


def test_parts_have_texts_of_like_length() -> None:
    """The longest first, each text in one part."""
    assert parts_of([3, 9, 5]) == [[1, 2, 0]]
    assert parts_of([PART_TOKENS - 5, 5, 1, 9]) == [[0], [3, 1, 2]]
    assert [len(part) for part in parts_of([1] * (PART_TEXTS + 1))] == [PART_TEXTS, 1]


def test_vectors_of_a_part_fit_a_frame() -> None:
    """The more dimensions, the fewer texts."""
    count = PART_BYTES // (4 * 8192)
    assert [len(part) for part in parts_of([1] * (count + 1), dimensions=8192)] == [count, 1]
