"""Answers as the models of each family write them, and what is in them."""

from collections.abc import Callable, Iterable
from typing import Any

from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.common.pieces import (
    CallArguments,
    CallBegins,
    CallEnds,
    Piece,
    Reasoning,
    Text,
)
from serve_daemon.gateway.parsing.output_parser import OutputParser, parser_of
from serve_daemon.gateway.parsing.tool_families import FAMILIES, GENERIC
from serve_daemon.gateway.parsing.tool_writing import ReasoningSyntax, ToolSyntax

SYNTAXES: dict[str, ToolSyntax] = {each.syntax.family: each.syntax for each in (*FAMILIES, GENERIC)}
THINK = ReasoningSyntax("<think>\n", "\n</think>\n\n")
CHANNEL = ReasoningSyntax(
    "<|channel>thought\n", "<channel|>", special_tokens=("<|channel>", "<channel|>")
)
COHERE = ReasoningSyntax(
    "<|START_THINKING|>", "<|END_THINKING|>", special_tokens=("<|START_THINKING|>",)
)

LOOK = FunctionTool(
    "look",
    parameters={
        "type": "object",
        "properties": {
            "at": {"type": "string"},
            "times": {"type": "integer"},
            "how": {"type": "object"},
            "far": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            "side": {"enum": ["left", "right"]},
        },
    },
)
WAIT = FunctionTool("wait")
TOOLS = [LOOK, WAIT]

Told = tuple[Any, ...]


def told(pieces: Iterable[Piece]) -> list[Told]:
    """The pieces as tuples, with what belongs together made one, and without ids."""
    found: list[Told] = []
    for piece in pieces:
        one = _told(piece)
        if (
            found
            and found[-1][:-1] == one[:-1]
            and isinstance(piece, Text | Reasoning | CallArguments)
        ):
            found[-1] = (*one[:-1], found[-1][-1] + one[-1])
        else:
            found.append(one)
    return found


def _told(piece: Piece) -> Told:
    match piece:
        case Text(text=text):
            return ("text", text)
        case Reasoning(text=text):
            return ("reasoning", text)
        case CallBegins(index=index, name=name):
            return ("begins", index, name)
        case CallArguments(index=index, text=text):
            return ("arguments", index, text)
        case CallEnds(index=index):
            return ("ends", index)


def call(index: int, name: str, arguments: str) -> list[Told]:
    return [("begins", index, name), ("arguments", index, arguments), ("ends", index)]


def parsed(make: Callable[[], OutputParser], texts: Iterable[str]) -> list[Told]:
    """What one parser makes of a text that comes in these parts."""
    parser = make()
    pieces = [piece for text in texts for piece in parser.feed(text)]
    return told([*pieces, *parser.flush()])


def parser(
    family: str,
    reasoning: ReasoningSyntax | None = None,
    tools: Iterable[FunctionTool] = tuple(TOOLS),
) -> Callable[[], OutputParser]:
    return parser_of(SYNTAXES[family], reasoning, list(tools))


_DEEPSEEK = SYNTAXES["deepseek"]
_NEWER = SYNTAXES["deepseek-v3.1"]
_AT = '{"at": "x{\\"}", "how": {"l": [1, {}]}}'
_LOOK = f'{{"name": "look", "arguments": {_AT}}}'
_LOOKED = _LOOK.replace("arguments", "parameters")
_WAIT = '{"name": "wait", "arguments": {}}'
_WAITED = _WAIT.replace("arguments", "parameters")
_TAGGED = '{"at": "  a\\n\\"b\\"\\n", "times": 3, "far": true, "how": {"l": [1]}, "side": "left"}'
_TWO = [*call(0, "look", _AT), *call(1, "wait", "{}")]

# Family, how it thinks, what it writes, what that is.
WRITTEN: list[tuple[str, ReasoningSyntax | None, str, list[Told]]] = [
    (
        "hermes",
        THINK,
        (
            "<think>\nHm, so\n</think>\n\nLet me see.\n<tool_call>\n"
            f"{_LOOK}\n</tool_call>\n"
            '<tool_call>\n{"name": "wait", "arguments": {}}\n</tool_call>'
        ),
        [("reasoning", "Hm, so"), ("text", "Let me see."), *_TWO],
    ),
    ("hermes", THINK, "<think>\n\n</think>\n\nHello.", [("text", "Hello.")]),
    (
        "generic",
        None,
        '<tool_call>{"name": "wait"}</tool_call> Done.',
        [*call(0, "wait", "{}"), ("text", "Done.")],
    ),
    (
        "llama",
        None,
        f"{_LOOKED}; {_WAITED}",
        _TWO,
    ),
    ("llama", None, f"<|python_tag|>{_LOOKED}", call(0, "look", _AT)),
    ("llama", None, '{"answer": 42}', [("text", '{"answer": 42}')]),
    (
        "llama",
        None,
        '{"name": "Ada", "parameters": {}}',
        [("text", '{"name": "Ada", "parameters": {}}')],
    ),
    ("mistral", None, f"[TOOL_CALLS]look[ARGS]{_AT}[TOOL_CALLS]wait[CALL_ID]a1b2[ARGS]{{}}", _TWO),
    (
        "mistral-list",
        None,
        (
            f'Yes.[TOOL_CALLS] [{{"name": "look", "arguments": {_AT}, "id": "123456789"}}, '
            '{"name": "wait", "arguments": {}}]'
        ),
        [("text", "Yes."), *_TWO],
    ),
    (
        "qwen-tags",
        None,
        (
            '<tool_call>\n<function=look>\n<parameter=at>\n  a\n"b"\n\n</parameter>\n'
            "<parameter=times>\n3\n</parameter>\n<parameter=far>\nTrue\n</parameter>\n"
            '<parameter=how>\n{"l": [1]}\n</parameter>\n<parameter=side>\nleft\n</parameter>\n'
            "</function>\n</tool_call>\n<tool_call>\n<function=wait>\n</function>\n</tool_call>"
        ),
        [
            *call(0, "look", _TAGGED),
            *call(1, "wait", "{}"),
        ],
    ),
    (
        "seed",
        None,
        (
            "<seed:tool_call>\n<function=look>\n<parameter=at>a b</parameter>\n"
            "<parameter=far>null</parameter>\n</function>\n</seed:tool_call>"
        ),
        call(0, "look", '{"at": "a b", "far": null}'),
    ),
    (
        "glm",
        THINK,
        (
            "<think>\nHm</think>\n<tool_call>look\n<arg_key>at</arg_key>\n<arg_value>a</arg_value>\n"
            "<arg_key>times</arg_key>\n<arg_value>many</arg_value>\n</tool_call>"
        ),
        [("reasoning", "Hm"), *call(0, "look", '{"at": "a", "times": "many"}')],
    ),
    (
        "minimax",
        None,
        (
            '<minimax:tool_call>\n<invoke name="look">\n<parameter name="times">2</parameter>\n'
            '</invoke>\n<invoke name="wait">\n</invoke>\n</minimax:tool_call>'
        ),
        [*call(0, "look", '{"times": 2}'), *call(1, "wait", "{}")],
    ),
    (
        "kimi",
        None,
        (
            "<|tool_calls_section_begin|>"
            f"<|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>{_AT}"
            "<|tool_call_end|><|tool_call_begin|>functions.wait:1<|tool_call_argument_begin|>{}"
            "<|tool_call_end|><|tool_calls_section_end|>"
        ),
        _TWO,
    ),
    (
        "deepseek",
        THINK,
        (
            f"<think>\nHm\n</think>\n\n{_DEEPSEEK.section_begin}"
            f"{_DEEPSEEK.begin}look{_DEEPSEEK.name_end}{_AT}{_DEEPSEEK.end}\n"
            f"{_DEEPSEEK.begin}wait{_DEEPSEEK.name_end}{{}}{_DEEPSEEK.end}{_DEEPSEEK.section_end}"
        ),
        [("reasoning", "Hm"), *_TWO],
    ),
    (
        "deepseek-v3.1",
        None,
        (
            f"Yes.{_NEWER.section_begin}{_NEWER.begin}look{_NEWER.name_end}{_AT}{_NEWER.end}"
            f"{_NEWER.begin}wait{_NEWER.name_end}{{}}{_NEWER.end}{_NEWER.section_end}"
        ),
        [("text", "Yes."), *_TWO],
    ),
    (
        "cohere",
        COHERE,
        (
            "<|START_THINKING|>Hm<|END_THINKING|><|START_ACTION|>[\n"
            f'    {{"tool_call_id": "0", "tool_name": "look", "parameters": {_AT}}},\n'
            '    {"tool_call_id": "1", "tool_name": "wait", "parameters": {}}\n]<|END_ACTION|>'
        ),
        [("reasoning", "Hm"), *_TWO],
    ),
    ("cohere", None, "<|START_RESPONSE|>Hello.<|END_RESPONSE|>", [("text", "Hello.")]),
    (
        "gemma4",
        CHANNEL,
        (
            '<|channel>thought\nHm<channel|>Yes.<|tool_call>call:look{at:<|"|>x{"}<|"|>,'
            'how:{l:[1,<|"|>a b<|"|>]},far:true}<tool_call|><|tool_call>call:wait{}<tool_call|>'
        ),
        [
            ("reasoning", "Hm"),
            ("text", "Yes."),
            *call(0, "look", '{"at":"x{\\"}","how":{"l":[1,"a b"]},"far":true}'),
            *call(1, "wait", "{}"),
        ],
    ),
    (
        "functiongemma",
        None,
        "<start_function_call>call:look{at:<escape>a<escape>,times:-2}<end_function_call>",
        call(0, "look", '{"at":"a","times":-2}'),
    ),
    (
        "internlm",
        None,
        f"Yes.<|action_start|><|plugin|>\n{_LOOKED}<|action_end|>",
        [("text", "Yes."), *call(0, "look", _AT)],
    ),
    ("phi", None, f"<|tool_call|>[{_LOOK}]<|/tool_call|>", call(0, "look", _AT)),
    ("granite", None, f"<|tool_call|>[{_LOOK}]", call(0, "look", _AT)),
    ("nemotron", None, f"<TOOLCALL>[{_WAIT}]</TOOLCALL>", call(0, "wait", "{}")),
    ("jamba", None, f"<tool_calls>[{_WAIT}]</tool_calls>", call(0, "wait", "{}")),
    (
        "gpt-oss",
        None,
        (
            "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>commentary<|message|>"
            "Let me see.<|end|><|start|>assistant<|channel|>commentary to=functions.look "
            f"<|constrain|>json<|message|>{_AT}<|call|>"
        ),
        [("reasoning", "Hm"), ("text", "Let me see."), *call(0, "look", _AT)],
    ),
    (
        "gpt-oss",
        None,
        "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>Hi.",
        [("reasoning", "Hm"), ("text", "Hi.")],
    ),
    (
        "gpt-oss",
        None,
        " to=functions.wait<|channel|>commentary json<|message|>{}",
        call(0, "wait", "{}"),
    ),
]
