"""Conversations to prompts, by the template that came with the model."""

import asyncio
import importlib
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError

from serve_daemon.api.messages import ChatMessage
from serve_daemon.gateway.errors import failed, invalid


class ChatTemplates:
    """Transformers' renderer, imported in the background: it takes most of a second."""

    def __init__(self) -> None:
        self._module: asyncio.Future[Any] | None = None

    async def load(self) -> None:
        """Return when `render` may be called."""
        if self._module is None:
            loop = asyncio.get_running_loop()
            name = "transformers.utils.chat_template_utils"
            self._module = loop.run_in_executor(None, importlib.import_module, name)
        await asyncio.shield(self._module)

    def render(
        self, template: str, messages: Sequence[ChatMessage], variables: dict[str, str]
    ) -> str:
        """The prompt, up to where the model's answer begins.

        Raises `ApiError`: 400 where the template refuses the conversation, 500 where it is broken.
        """
        if self._module is None or not self._module.done():
            raise RuntimeError("load() first")
        conversation = [_as_template_sees(message, template) for message in _merged(messages)]
        try:
            prompts, _ = self._module.result().render_jinja_template(
                conversations=[conversation],
                chat_template=template,
                add_generation_prompt=True,
                **variables,
            )
        except TemplateSyntaxError as error:
            raise failed(f"The model's chat template is broken: {error}") from error
        except TemplateError as error:
            message = f"The model's chat template refused the messages: {error}"
            raise invalid(message, "messages", "invalid_messages") from error
        return str(prompts[0])


def _merged(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages, with leading instructions made one: most templates take one alone."""
    count = 0
    while count < len(messages) and messages[count].role in ("system", "developer"):
        count += 1
    if count < 2:  # noqa: PLR2004 - two make a plural
        return list(messages)
    text = "\n\n".join(message.content for message in messages[:count])
    return [ChatMessage(messages[0].role, text), *messages[count:]]


def _as_template_sees(message: ChatMessage, template: str) -> dict[str, str]:
    knows_role = message.role != "developer" or "developer" in template
    seen = {"role": message.role if knows_role else "system", "content": message.content}
    if message.name:
        seen["name"] = message.name
    return seen
