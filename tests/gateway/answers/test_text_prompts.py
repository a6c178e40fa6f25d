"""Prompts that are no conversations: texts, with what a tokenizer adds to them, and token ids."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tokenizers import processors

from fakes.artefacts import END, make_tokenizer, write_artefacts
from fakes.scripted_engines import READY
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers.prompts import LONG_CHARACTERS, Prepared, Prompts
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.parsing.output_parser import PlainText
from serve_daemon.gateway.text.chat_template import ChatTemplates
from serve_daemon.gateway.text.tokenizer import TextModels

TOKENIZER = make_tokenizer()
[MARK] = TOKENIZER.encode(END).ids


class FakeEngine:
    """An engine whose loader has left these artefacts."""

    def __init__(self, directory: Path) -> None:
        write_artefacts(directory, generation_config={})
        tokenizer = make_tokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{END} $A", special_tokens=[(END, MARK)]
        )
        (directory / "tokenizer.json").write_text(tokenizer.to_str())
        self.ready = msgspec.structs.replace(READY, artefacts=str(directory), vocabulary=300)
        self.address = self


async def prepare(tmp_path: Path, prompt: Any, **fields: Any) -> Prepared:
    engine: Any = FakeEngine(tmp_path)
    request = GenerationRequest(model="m", prompt=prompt, **fields)
    return await Prompts(TextModels(), ChatTemplates()).prepare(request, "req_1", engine)


@pytest.mark.parametrize("text", ["the sea", "the sea " * (LONG_CHARACTERS // 80)])
async def test_the_tokenizer_adds_what_its_makers_have_it_add(tmp_path: Path, text: str) -> None:
    """Unless the client wants none of it."""
    tokens = list(TOKENIZER.encode(text).ids)
    assert (await prepare(tmp_path, text)).order.tokens == [MARK, *tokens]
    assert (await prepare(tmp_path, text, add_special_tokens=False)).order.tokens == tokens


async def test_a_text_may_name_special_tokens(tmp_path: Path) -> None:
    """As templates do."""
    prepared = await prepare(tmp_path, f"a{END}", add_special_tokens=False)
    assert prepared.order.tokens == [*TOKENIZER.encode("a").ids, MARK]


async def test_token_ids_are_the_prompt(tmp_path: Path) -> None:
    """And what follows is text, whatever it looks like."""
    prepared = await prepare(tmp_path, [5, 6, 7])
    assert prepared.order.tokens == [5, 6, 7]
    assert prepared.parser is PlainText


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("", "empty_string"), ([1, 300], "invalid_value"), ([1] * 1000, "context_length_exceeded")],
)
async def test_a_prompt_that_can_not_be_is_refused(tmp_path: Path, prompt: Any, code: str) -> None:
    """With nothing in it, with tokens that the model does not have, or with too many."""
    with pytest.raises(ApiError) as refused:
        await prepare(tmp_path, prompt, add_special_tokens=False)
    assert refused.value.body.code == code


async def test_nothing_but_what_is_added_is_a_prompt_too(tmp_path: Path) -> None:
    """The model begins as it does by itself."""
    assert (await prepare(tmp_path, "")).order.tokens == [MARK]
