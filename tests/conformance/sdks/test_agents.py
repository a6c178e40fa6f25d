"""Frameworks of agents: OpenAI's Agents SDK and Pydantic AI."""

import agents
import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from conformance.sdks.asked import QUESTION, Place

SETTINGS = {"temperature": 0, "max_tokens": 400}


@pytest.fixture
def openai_client(url: str, key: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=url, api_key=key, max_retries=0)


# ---------------------------------------------------------------- Agents SDK


@agents.function_tool
def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"12 degrees in {city}"


@pytest.fixture(params=["responses", "chat"])
def agents_model(
    request: pytest.FixtureRequest, openai_client: AsyncOpenAI, model: str
) -> agents.Model:
    kinds = {
        "responses": agents.OpenAIResponsesModel,
        "chat": agents.OpenAIChatCompletionsModel,
    }
    made: agents.Model = kinds[request.param](model=model, openai_client=openai_client)
    return made


async def test_agent_that_answers(agents_model: agents.Model) -> None:
    """Whole, and in a stream."""
    agent = agents.Agent(
        name="a",
        instructions="Be brief.",
        model=agents_model,
        model_settings=agents.ModelSettings(temperature=0, max_tokens=48),
    )
    result = await agents.Runner.run(agent, QUESTION)
    assert result.final_output
    streamed = agents.Runner.run_streamed(agent, QUESTION)
    events = [event async for event in streamed.stream_events()]
    assert events
    assert streamed.final_output == result.final_output


async def test_agent_that_calls(agents_model: agents.Model) -> None:
    """The tool is called with arguments that fit, and what it says is the result."""
    agent = agents.Agent(
        name="a",
        model=agents_model,
        tools=[get_weather],
        tool_use_behavior="stop_on_first_tool",
        model_settings=agents.ModelSettings(tool_choice="required", max_tokens=128),
    )
    result = await agents.Runner.run(agent, QUESTION)
    assert str(result.final_output).startswith("12 degrees in ")


async def test_agent_with_a_form(agents_model: agents.Model) -> None:
    """The result is an object of the class."""
    agent = agents.Agent(
        name="a",
        model=agents_model,
        output_type=Place,
        model_settings=agents.ModelSettings(temperature=0, max_tokens=400),
    )
    result = await agents.Runner.run(agent, QUESTION)
    assert isinstance(result.final_output, Place)


# ---------------------------------------------------------------- Pydantic AI


@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
def pydantic_model(request: pytest.FixtureRequest, openai_client: AsyncOpenAI, model: str) -> Model:
    made: Model = request.param(model, provider=OpenAIProvider(openai_client=openai_client))
    return made


async def test_pydantic_ai(pydantic_model: Model) -> None:
    """Whole, and in a stream."""
    agent = Agent(pydantic_model, model_settings=SETTINGS)
    result = await agent.run(QUESTION)
    assert "Paris" in result.output
    async with agent.run_stream(QUESTION) as streamed:
        assert await streamed.get_output() == result.output


async def test_pydantic_ai_with_a_form(pydantic_model: Model) -> None:
    """By a tool that the framework offers, which the model must call."""
    agent = Agent(pydantic_model, output_type=Place, model_settings=SETTINGS, retries=0)
    result = await agent.run(QUESTION)
    assert isinstance(result.output, Place)


async def test_pydantic_ai_with_a_native_form(openai_client: AsyncOpenAI, model: str) -> None:
    """By the format of the answer."""
    made = OpenAIChatModel(model, provider=OpenAIProvider(openai_client=openai_client))
    agent = Agent(made, output_type=NativeOutput(Place), model_settings=SETTINGS, retries=0)
    result = await agent.run(QUESTION)
    assert isinstance(result.output, Place)
