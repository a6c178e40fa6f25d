"""From what a request says of its answer to one grammar, in llguidance's Lark. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from llguidance.gbnf_to_lark import any_to_lark

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.output_format import OutputFormat
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.grammars.calls import Calls, Offered
from serve_daemon.gateway.grammars.check import check
from serve_daemon.gateway.grammars.json_schemas import ANY_OBJECT, closed, written
from serve_daemon.gateway.grammars.lark import TEXT, Lark, embedded_json, literal, one_of, regex
from serve_daemon.gateway.parsing.tool_syntax import ReasoningSyntax, ToolSyntax

MAX_CHARACTERS = 64 * 1024  # of a client's own grammar, which is converted in Python
NO_TOKENS: Mapping[str, int] = MappingProxyType({})
# What may stand between reasoning and an answer that has a form.
_GAP = r"(/\n{1,2}/)?"


def grammar_of(
    request: GenerationRequest,
    syntax: ToolSyntax,
    reasoning: ReasoningSyntax | None,
    special: Mapping[str, int] = NO_TOKENS,
) -> str:
    """What the output must be; "" where it may be anything.

    `special` has the numbers of the special tokens. Raises `InvalidRequest` for what no grammar can
    be made of, by the name of the field that has it.
    """
    if is_free(request):
        return ""
    offered, form = offered_tools(request), request.output_format
    lark = Lark(special)
    try:
        answer = _answer(lark, request, syntax, offered)
    except RecursionError as error:
        field = "tools" if form.kind == "text" else form.field
        message = f"Invalid '{field}': a schema is nested too deeply."
        raise InvalidRequest(message, field, "invalid_grammar") from error
    is_text = form.kind == "text" and request.tool_choice.mode == "auto"
    thoughts = _thoughts(lark, reasoning, gap="" if is_text else _GAP)
    text = lark.whole(f"{thoughts} {answer}")
    check(text, lark.parts)
    return text


def is_free(request: GenerationRequest) -> bool:
    """Whether the answer may be any text, and nothing else."""
    return request.output_format.kind == "text" and not offered_tools(request)


def offered_tools(request: GenerationRequest) -> list[Offered]:
    """Those that the answer may call."""
    choice = request.tool_choice
    if choice.mode == "none":
        return []
    return [
        Offered(tool, f"tools[{index}]")
        for index, tool in enumerate(request.tools)
        if not choice.names or tool.name in choice.names
    ]


def _answer(
    lark: Lark, request: GenerationRequest, syntax: ToolSyntax, offered: list[Offered]
) -> str:
    """What follows the reasoning."""
    form = request.output_format
    if not offered:
        return _said(lark, syntax, _form(lark, form))
    calls = Calls(lark, syntax, offered, is_single=_is_single(request, syntax))
    if request.tool_choice.mode == "required":
        return calls.all()
    if form.kind != "text":
        return one_of([lark.rule("calls", calls.all()), _said(lark, syntax, _form(lark, form))])
    return _text_or_calls(lark, syntax, calls)


def _is_single(request: GenerationRequest, syntax: ToolSyntax) -> bool:
    """Whether there is one call at most: a model that never learned to call knows no end of it."""
    may_be_more = request.parallel_tool_calls and syntax.knows_tools
    return request.tool_choice.is_single or not may_be_more


def _text_or_calls(lark: Lark, syntax: ToolSyntax, calls: Calls) -> str:
    """Any text, in which a call that is begun is one to the end."""
    if not syntax.first_mark:
        text = r"/[^\[](?s:.*)/" if syntax.form == "list" else "/[^{](?s:.*)/"
        all_calls = lark.rule("calls", calls.all())
        # Nothing before such a mark: else what begins as JSON might be text up to one.
        heads = [f"{lark.at_once(mark)} {all_calls}" for mark in syntax.other_begins]
        return one_of([text, all_calls, *heads, '""'])
    others = () if syntax.section_begin else syntax.other_begins
    rest = lark.rule("calls", calls.after_first_mark())
    heads = [lark.until(mark.strip()) for mark in (syntax.first_mark, *others)]
    return one_of([_said(lark, syntax, TEXT), f"{one_of(heads)} {rest}"])


def _said(lark: Lark, syntax: ToolSyntax, expression: str) -> str:
    """`expression` as something said to the user, where a family marks that."""
    begin, end = lark.mark(syntax.text_begin), lark.mark(syntax.text_end)
    return " ".join([f"({begin})?" if begin else "", expression, f"({end})?" if end else ""])


def _thoughts(lark: Lark, reasoning: ReasoningSyntax | None, gap: str) -> str:
    """Reasoning before the answer, as far as the model writes it itself."""
    if reasoning is None:
        return ""
    thoughts = f"{lark.until(reasoning.end.strip())} {gap}"
    if reasoning.is_open_at_start:
        return thoughts
    return f"({lark.at_once(reasoning.begin.strip())} {thoughts})?"


def _form(lark: Lark, form: OutputFormat) -> str:
    """The form of the text, as an expression."""
    match form.kind:
        case "json_object":
            return lark.part(form.field, embedded_json(written(ANY_OBJECT, form.whitespace)))
        case "json_schema":
            schema = form.schema
            if form.is_closed and isinstance(schema, dict):
                schema = closed(schema)
            return lark.part(form.field, embedded_json(written(schema, form.whitespace)))
        case "regex":
            return lark.part(form.field, regex(form.pattern))
        case "choice":
            return lark.part(form.field, one_of(map(literal, form.choices)))
        case "grammar":
            return lark.part(form.field, f"%lark {{\n{_as_lark(form)}\n}}")
        case "text":
            return TEXT


def _as_lark(form: OutputFormat) -> str:
    """The client's own grammar, which may be GBNF, too."""
    if len(form.grammar) > MAX_CHARACTERS:
        message = (
            f"Invalid '{form.field}': the grammar has {len(form.grammar)} characters, more than the"
            f" maximum, {MAX_CHARACTERS}."
        )
        raise InvalidRequest(message, form.field, "grammar_too_large")
    try:
        return str(any_to_lark(form.grammar))
    except Exception as error:  # the converter raises no narrower type
        message = f"Invalid '{form.field}': it is neither Lark nor GBNF: {error}"
        raise InvalidRequest(message, form.field, "invalid_grammar") from error
