"""Conversations to prompts, by the template that came with the model."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from msgspec import Struct

from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.common.errors import ApiError, failed, invalid
from serve_daemon.gateway.text import renderer
from serve_daemon.gateway.text.conversation import Seen, tools_as_seen, ways
from serve_daemon.gateway.text.reasoning_effort import (
    SWITCHES,
    effort_variables,
    thinking_variables,
)

# What templates raise, and what their expressions do on values that they don't expect.
REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


class Wishes(Struct, frozen=True, kw_only=True):
    """What a request asks of the rendering beside its messages."""

    tools: Sequence[FunctionTool] = ()
    knows_tools: bool = True  # the template does, in a form whose calls are understood
    thinks: bool = False  # the model's answers may begin with reasoning
    effort: str | None = None
    effort_field: str = "reasoning_effort"
    thinking: bool | None = None  # None: as it does by itself
    thinking_budget: int | None = None  # tokens
    variables: dict[str, Any] = {}
    adds_prompt: bool = True  # the marks that begin an answer
    continues: bool = False  # the answer is the rest of the last message


NONE = Wishes()


class ChatTemplates:
    """Transformers' renderer, imported in the background."""

    def __init__(self) -> None:
        self._module: asyncio.Future[Any] | None = None

    async def load(self) -> None:
        """Return when `render` may be called."""
        if self._module is None:
            loop = asyncio.get_running_loop()
            self._module = loop.run_in_executor(None, renderer.load)
        await asyncio.shield(self._module)

    def render(
        self,
        template: str,
        messages: Sequence[ChatMessage],
        special: dict[str, str],
        wishes: Wishes = NONE,
    ) -> str:
        """The prompt; `special` are the special tokens that the template may name.

        Raises `ApiError`: 400 where the template refuses the conversation, 500 where it is broken.
        """
        if self._module is None or not self._module.done():
            raise RuntimeError("load() first")
        module = self._module.result()
        try:
            known = module._get_template_variables(template)  # noqa: SLF001 - it is cached there
        except TemplateSyntaxError as error:
            raise failed(f"The model's chat template is broken: {error}") from error
        options = _options(wishes, known)

        def rendered(conversation: list[Seen]) -> str:
            prompts, _ = module.render_jinja_template(
                conversations=[conversation], chat_template=template, **special, **options
            )
            return str(prompts[0])

        return _first_that_renders(
            rendered,
            ways(messages, wishes.tools, template, knows=wishes.knows_tools),
            continues=wishes.continues,
        )


def _first_that_renders(
    render: Callable[[list[Seen]], str], conversations: Iterable[list[Seen]], *, continues: bool
) -> str:
    """The prompt of the first that the template takes; raises what it says to the very first."""
    refusal: ApiError | None = None
    for conversation in conversations:
        try:
            return render(conversation)
        except REFUSALS as error:
            refusal = refusal or _refusal(error, continues=continues)
    raise refusal or invalid("There are no messages.", "messages", "empty_array")


def _refusal(error: Exception, *, continues: bool) -> ApiError:
    if continues and type(error) is ValueError:  # as the renderer itself says it
        message = f"The last message can't be continued: {error}"
        return invalid(message, "continue_final_message", "invalid_value")
    message = f"The model's chat template refused the messages: {error}"
    return invalid(message, "messages", "invalid_messages")


def _options(wishes: Wishes, known: AbstractSet[str]) -> dict[str, Any]:
    """What the renderer is told, of which a template takes what it has variables for."""
    thinks = wishes.thinks
    told = effort_variables(wishes.effort, known, thinks=thinks, field=wishes.effort_field)
    told |= thinking_variables(wishes.thinking, wishes.thinking_budget, known, thinks=thinks)
    options: dict[str, Any] = {
        "add_generation_prompt": wishes.adds_prompt and not wishes.continues,
        "continue_final_message": wishes.continues,
    }
    if wishes.tools and wishes.knows_tools:
        options["tools"] = tools_as_seen(wishes.tools)
    return options | told | _known_variables(wishes.variables, known)


def _known_variables(variables: dict[str, Any], known: AbstractSet[str]) -> dict[str, Any]:
    for name, value in variables.items():
        if name not in known and not (name in SWITCHES and value is False):
            where = f"chat_template_kwargs.{name}"
            message = f"Unsupported parameter: the model's chat template has no '{name:.80}'."
            raise invalid(message, where, "unsupported_parameter")
    return {name: value for name, value in variables.items() if name in known}
