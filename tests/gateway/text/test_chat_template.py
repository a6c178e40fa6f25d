"""Conversations to prompts."""

import subprocess
import sys

import pytest

from fakes.artefacts import CHAT_TEMPLATE
from serve_daemon.api.messages import ChatMessage
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.text.chat_template import ChatTemplates

HI = ChatMessage("user", "hi")


async def render(messages: list[ChatMessage], template: str = CHAT_TEMPLATE) -> str:
    templates = ChatTemplates()
    await templates.load()
    return templates.render(template, messages, {"bos_token": "<s>"})


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([HI], "<|user|>hi<|end|><|assistant|>"),
        (
            [ChatMessage("system", "a"), HI, ChatMessage("assistant", "b"), HI],
            "<|system|>a<|end|><|user|>hi<|end|><|assistant|>b<|end|><|user|>hi<|end|><|assistant|>",
        ),
        ([ChatMessage("developer", "a"), HI], "<|system|>a<|end|><|user|>hi<|end|><|assistant|>"),
        (
            [ChatMessage("system", "a"), ChatMessage("developer", "b"), HI],
            "<|system|>a\n\nb<|end|><|user|>hi<|end|><|assistant|>",
        ),
    ],
)
async def test_a_conversation_becomes_a_prompt(messages: list[ChatMessage], prompt: str) -> None:
    """The developer is the system to a template that knows none; leading instructions are one."""
    assert await render(messages) == prompt


async def test_a_template_sees_special_tokens_and_names() -> None:
    """And the developer, where it knows that role."""
    template = "{{ bos_token }}{% for m in messages %}{{ m.role }} {{ m.name }};{% endfor %}"
    messages = [ChatMessage("developer", "x"), ChatMessage("user", "y", "Ann")]
    assert await render(messages, template + "{# developer #}") == "<s>developer ;user Ann;"


async def test_a_conversation_that_the_template_refuses_is_a_400() -> None:
    """With the template's words."""
    with pytest.raises(ApiError, match="roles must alternate") as refused:
        await render([HI], "{{ raise_exception('roles must alternate') }}")
    assert refused.value.status == 400


async def test_a_template_that_is_broken_is_a_500() -> None:
    """The client can do nothing about it."""
    with pytest.raises(ApiError, match="chat template is broken") as failed:
        await render([HI], "{% for %}")
    assert failed.value.status == 500


async def test_rendering_before_loading_is_a_bug() -> None:
    """It would import in the loop, for most of a second."""
    with pytest.raises(RuntimeError, match="load"):
        ChatTemplates().render(CHAT_TEMPLATE, [HI], {})


def test_the_gateway_does_without_torch() -> None:
    """Neither the program nor the renderer imports it, nor what only its packages need."""
    code = (
        "import sys, serve_daemon.gateway.program;"
        "assert 'jinja2' in sys.modules;"
        "from serve_daemon.gateway.text import renderer; renderer.load();"
        "assert not {'torch', 'transformers', 'httpx', 'httpx2', 'yaml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("first", ["", "import transformers;"])
def test_the_renderer_and_transformers_get_along(first: str) -> None:
    """Whichever is imported first, the packages that others import are whole."""
    code = (
        f"{first}from serve_daemon.gateway.text import renderer; module = renderer.load();"
        "import transformers, transformers.utils.chat_template_utils as again;"
        "given = {'conversations': [[{'content': 'Hi'}]], 'chat_template': '{{ messages }}'};"
        "assert again.render_jinja_template(**given) == module.render_jinja_template(**given);"
        "assert transformers.utils.ModelOutput and transformers.AutoTokenizer"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_renderer_that_needs_its_packages_gets_them() -> None:
    """Another version of Transformers may be laid out otherwise."""
    code = (
        "import importlib, sys; from serve_daemon.gateway.text import renderer;"
        "renderer._alone = lambda: importlib.import_module('no_such_module');"
        "assert renderer.load().__name__ == renderer.MODULE;"
        "assert renderer.OUTER in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
