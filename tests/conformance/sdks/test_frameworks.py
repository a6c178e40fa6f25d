"""Frameworks over the SDKs, each by its usual way: litellm, LangChain, Instructor."""

import json
from typing import Any

import instructor
import litellm
import openai
import pytest
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from conformance.sdks.asked import QUESTION, WEATHER_PARAMETERS, Place

USER = [{"role": "user", "content": QUESTION}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER_PARAMETERS}}


@tool
def get_weather(city: str, unit: str) -> str:
    """Say the weather of a city."""
    return f"12 degrees {unit} in {city}"


# ---------------------------------------------------------------- litellm


def test_litellm(url: str, key: str, model: str) -> None:
    """An answer and a stream, alike."""
    settings: dict[str, Any] = {"model": f"openai/{model}", "api_base": url, "api_key": key}
    settings |= {"messages": USER, "temperature": 0, "max_tokens": 16}
    reply = litellm.completion(**settings)
    pieces = litellm.completion(**settings, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in pieces)
    assert "Paris" in text
    assert text == reply.choices[0].message.content


def test_litellm_calls_and_forms(url: str, key: str, model: str) -> None:
    """A call, and an answer in a form."""
    settings: dict[str, Any] = {
        "model": f"openai/{model}",
        "api_base": url,
        "api_key": key,
        "messages": USER,
    }
    called = litellm.completion(**settings, tools=[TOOL], tool_choice="required", max_tokens=128)
    call = called.choices[0].message.tool_calls[0]
    assert set(json.loads(call.function.arguments)) == {"city", "unit"}
    formed = litellm.completion(**settings, response_format=Place, max_tokens=400, temperature=0)
    assert Place.model_validate_json(formed.choices[0].message.content)


def test_litellm_embeddings_and_errors(
    url: str, key: str, model: str, embedding_model: str
) -> None:
    """Vectors, and exceptions of its own."""
    settings = {"api_base": url, "api_key": key}
    reply = litellm.embedding(model=f"openai/{embedding_model}", input=["one", "two"], **settings)
    assert len(reply.data) == 2
    with pytest.raises(litellm.BadRequestError):
        litellm.completion(model=f"openai/{model}", messages=USER, temperature=3, **settings)


def test_litellm_responses(url: str, key: str, model: str) -> None:
    """Its way to the Responses API."""
    reply = litellm.responses(
        model=f"openai/{model}", input=QUESTION, api_base=url, api_key=key, max_output_tokens=24
    )
    assert reply.output[0].content[0].text


# ---------------------------------------------------------------- LangChain


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def chat(request: pytest.FixtureRequest, url: str, key: str, model: str) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=url,
        api_key=key,
        model=model,
        temperature=0,
        max_tokens=400,
        max_retries=0,
        use_responses_api=request.param,
    )


def test_langchain(chat: ChatOpenAI) -> None:
    """An answer and a stream, alike."""
    text = "".join(chunk.text for chunk in chat.stream(QUESTION))
    assert "Paris" in text
    assert chat.invoke(QUESTION).text == text


def test_langchain_calls(chat: ChatOpenAI) -> None:
    """A call by a bound tool."""
    reply = chat.bind_tools([get_weather], tool_choice="any").invoke(QUESTION)
    assert reply.tool_calls[0]["name"] == "get_weather"
    assert set(reply.tool_calls[0]["args"]) == {"city", "unit"}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_langchain_forms(chat: ChatOpenAI, method: str) -> None:
    """An answer as an object."""
    assert isinstance(chat.with_structured_output(Place, method=method).invoke(QUESTION), Place)


def test_langchain_embeddings(url: str, key: str, embedding_model: str) -> None:
    """Vectors of documents and of a query."""
    embeddings = OpenAIEmbeddings(
        base_url=url, api_key=key, model=embedding_model, check_embedding_ctx_length=False
    )
    (document,) = embeddings.embed_documents(["one"])
    assert document == pytest.approx(embeddings.embed_query("one"), abs=1e-5)


# ---------------------------------------------------------------- Instructor


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
def test_instructor(url: str, key: str, model: str, mode: instructor.Mode) -> None:
    """An answer as an object, at the first try."""
    client = instructor.from_openai(openai.OpenAI(base_url=url, api_key=key), mode=mode)
    place = client.chat.completions.create(
        model=model,
        messages=USER,
        response_model=Place,
        max_retries=0,
        max_tokens=400,
        temperature=0,
    )
    assert isinstance(place, Place)
