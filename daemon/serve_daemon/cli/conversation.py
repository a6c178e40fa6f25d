"""What is said between a person and a model, and the request that it makes."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serve_daemon.cli.api import Answer, Api, ApiError

Document = dict[str, Any]
Hear = Callable[[str, bool], None]  # a piece of text, and whether it is reasoning

# As /v1/responses calls what the command line has.
_WISHES = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_output_tokens"}
REASONING = ("response.reasoning_text.delta", "response.reasoning_summary_text.delta")
TEXT = ("response.output_text.delta", "response.refusal.delta")


@dataclass
class Said:
    """An answer, as far as it came."""

    text: str = ""
    tokens: int = 0
    asked_at: float = 0.0  # seconds of one clock
    first_at: float = 0.0
    ended_at: float = 0.0
    is_whole: bool = False
    is_cut: bool = False  # by the limit of its length

    @property
    def tokens_per_second(self) -> float | None:
        """From its first piece on; None where that is too short to say."""
        seconds = self.ended_at - self.first_at
        return (self.tokens - 1) / seconds if self.tokens > 1 and seconds > 0 else None


@dataclass
class Conversation:
    """A model, what it was told first, and what was said since."""

    model: str
    system: str = ""
    wishes: Document = field(default_factory=dict)
    items: list[Document] = field(default_factory=list)

    def ask(self, api: Api, question: str, hear: Hear) -> Said:
        """An answer, told piece by piece; it is remembered with its question.

        Ctrl-C stops it: what came is then the answer. Raises `ApiError`, and remembers nothing
        where nothing came.
        """
        said = Said(asked_at=time.perf_counter())
        try:
            with api.response(self._body(question)) as answer:
                _listen(answer, said, hear)
        except KeyboardInterrupt:
            pass
        finally:
            said.ended_at = time.perf_counter()
            if said.text:
                self.items += [_message("user", question), _message("assistant", said.text)]
        return said

    def reset(self) -> None:
        self.items.clear()

    def save(self, path: Path) -> None:
        """Write it: JSON where the name ends so, else Markdown. Raises `OSError`."""
        with path.open("x", encoding="utf-8") as file:
            file.write(self._json() if path.suffix == ".json" else self._markdown())

    def _body(self, question: str) -> Document:
        told = {"instructions": self.system} if self.system else {}
        asked = [*self.items, _message("user", question)]
        return {"model": self.model, "input": asked, "store": False, **told, **self.wishes}

    def _json(self) -> str:
        document = {"model": self.model, "instructions": self.system, "input": self.items}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def _markdown(self) -> str:
        parts = [f"# {self.model}\n"]
        if self.system:
            parts.append(f"## system\n\n{self.system}\n")
        parts += [f"## {each['role']}\n\n{each['content']}\n" for each in self.items]
        return "\n".join(parts)


def wishes_of(options: Mapping[str, float | None]) -> Document:
    """Those that were made."""
    return {_WISHES[name]: value for name, value in options.items() if value is not None}


def models_of(api: Api) -> list[str]:
    """Those that may be asked; none where that can't be found out."""
    try:
        return [str(each["id"]) for each in api.get("/v1/models")["data"]]
    except ApiError:
        return []


def _listen(answer: Answer, said: Said, hear: Hear) -> None:
    for event in answer.events():
        kind = event["type"]
        if kind in REASONING or kind in TEXT:
            said.first_at = said.first_at or time.perf_counter()
            said.tokens += 1  # until it is counted
            said.text += "" if kind in REASONING else event["delta"]
            hear(event["delta"], kind in REASONING)
        elif kind in ("response.completed", "response.incomplete"):
            said.tokens = event["response"]["usage"]["output_tokens"]
            said.is_whole, said.is_cut = True, kind == "response.incomplete"


def _message(role: str, text: str) -> Document:
    return {"type": "message", "role": role, "content": text}
