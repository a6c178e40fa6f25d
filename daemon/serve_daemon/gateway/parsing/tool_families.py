"""The families of models whose calls of tools, and whose reasoning, are known: tables."""

from serve_daemon.gateway.parsing.tool_writing import Family, Marked, Tag, ToolSyntax

HERMES = ToolSyntax(family="hermes", begin="<tool_call>\n", end="\n</tool_call>")

# For models whose template knows no tools: they are told of them in a system message.
GENERIC = Family(
    "any other model",
    (),
    ToolSyntax(family="generic", begin=HERMES.begin, end=HERMES.end, knows_tools=False),
)

HARMONY = ToolSyntax(
    family="gpt-oss",
    form="named",
    begin="<|channel|>commentary to=functions.",
    name_end=" <|constrain|>json<|message|>",
    end="<|call|>",
    between="<|start|>assistant",
    text_begin="<|channel|>final<|message|>",
    text_end="<|return|>",
    stops=("<|call|>",),
)


def _deepseek(words: str) -> str:
    """A mark of DeepSeek's, in which neither bars nor spaces are what they look like."""
    spaced = words.replace(" ", "\N{LOWER ONE EIGHTH BLOCK}")
    return f"<\N{FULLWIDTH VERTICAL LINE}{spaced}\N{FULLWIDTH VERTICAL LINE}>"


_CALLS_BEGIN, _CALLS_END = _deepseek("tool calls begin"), _deepseek("tool calls end")
_CALL_BEGIN, _CALL_END = _deepseek("tool call begin"), _deepseek("tool call end")
_SEPARATOR = _deepseek("tool sep")
_QWEN_TAGS = Tag("<parameter=", ">\n", "\n</parameter>\n")
_LLAMA = ToolSyntax(
    family="llama",
    arguments_key="parameters",
    between="; ",
    other_begins=("<|python_tag|>",),
    stops=("<|eom_id|>",),
)

# The first whose marks are all in a template; the narrower ones stand before the wider ones.
FAMILIES = (
    Family("gpt-oss", ("<|channel|>", "<|message|>", "functions."), HARMONY),
    Family(
        "Gemma 4",
        ("<|tool_call>", "<tool_call|>"),
        ToolSyntax(
            family="gemma4",
            form="lax",
            begin="<|tool_call>call:",
            end="<tool_call|>",
            between="",
            quote='<|"|>',
            stops=("<|tool_response>",),
        ),
    ),
    Family(
        "FunctionGemma",
        ("<start_function_call>", "<escape>"),
        ToolSyntax(
            family="functiongemma",
            form="lax",
            begin="<start_function_call>call:",
            end="<end_function_call>",
            between="",
            quote="<escape>",
            stops=("<start_function_response>",),
        ),
    ),
    Family(
        "Seed-OSS",
        ("<seed:tool_call>", "<function=", "<parameter="),
        ToolSyntax(
            family="seed",
            form="tags",
            begin="<seed:tool_call>\n<function=",
            name_end=">\n",
            tag=Tag("<parameter=", ">", "</parameter>\n"),
            end="</function>\n</seed:tool_call>",
        ),
    ),
    Family(
        "Qwen 3.5, Qwen3-Coder, Nemotron 3",
        ("<tool_call>", "<function=", "<parameter="),
        ToolSyntax(
            family="qwen-tags",
            form="tags",
            begin="<tool_call>\n<function=",
            name_end=">\n",
            tag=_QWEN_TAGS,
            end="</function>\n</tool_call>",
        ),
    ),
    Family(
        "GLM 4.5 to 4.7",
        ("<tool_call>", "<arg_key>", "<arg_value>"),
        ToolSyntax(
            family="glm",
            form="tags",
            begin="<tool_call>",
            name_end="\n",
            tag=Tag("<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n"),
            end="</tool_call>",
        ),
    ),
    Family(
        "MiniMax M2",
        ("<minimax:tool_call>", "<invoke name="),
        ToolSyntax(
            family="minimax",
            form="tags",
            section_begin="<minimax:tool_call>\n",
            begin='<invoke name="',
            name_end='">\n',
            tag=Tag('<parameter name="', '">', "</parameter>\n"),
            end="</invoke>\n",
            section_end="</minimax:tool_call>",
            between="",
        ),
    ),
    Family(
        "Kimi K2",
        ("<|tool_calls_section_begin|>", "<|tool_call_argument_begin|>"),
        ToolSyntax(
            family="kimi",
            form="named",
            section_begin="<|tool_calls_section_begin|>",
            begin="<|tool_call_begin|>functions.",
            name_end="<|tool_call_argument_begin|>",
            end="<|tool_call_end|>",
            section_end="<|tool_calls_section_end|>",
            between="",
        ),
    ),
    Family(
        "DeepSeek V3, R1",
        (_CALLS_BEGIN, "```json"),
        ToolSyntax(
            family="deepseek",
            form="named",
            section_begin=_CALLS_BEGIN,
            begin=_CALL_BEGIN + "function" + _SEPARATOR,
            name_end="\n```json\n",
            end="\n```" + _CALL_END,
            section_end=_CALLS_END,
        ),
    ),
    Family(
        "DeepSeek V3.1",
        (_CALLS_BEGIN,),
        ToolSyntax(
            family="deepseek-v3.1",
            form="named",
            section_begin=_CALLS_BEGIN,
            begin=_CALL_BEGIN,
            name_end=_SEPARATOR,
            end=_CALL_END,
            section_end=_CALLS_END,
            between="",
        ),
    ),
    Family(
        "Mistral Small 3.2, Magistral, Devstral",
        ("[TOOL_CALLS]", "[ARGS]"),
        ToolSyntax(
            family="mistral",
            form="named",
            begin="[TOOL_CALLS]",
            name_end="[ARGS]",
            id_begin="[CALL_ID]",
            between="",
        ),
    ),
    Family(
        "Mistral 7B v0.3, Nemo, Small 3.1",
        ("[TOOL_CALLS]",),
        ToolSyntax(family="mistral-list", form="list", begin="[TOOL_CALLS]"),
    ),
    Family(
        "Cohere Command R7B, A",
        ("<|START_ACTION|>", "<|END_ACTION|>"),
        ToolSyntax(
            family="cohere",
            form="list",
            begin="<|START_ACTION|>",
            end="<|END_ACTION|>",
            name_key="tool_name",
            arguments_key="parameters",
            text_begin="<|START_RESPONSE|>",
            text_end="<|END_RESPONSE|>",
        ),
    ),
    Family(
        "InternLM 2.5, 3",
        ("<|action_start|>", "<|plugin|>"),
        ToolSyntax(
            family="internlm",
            begin="<|action_start|><|plugin|>",
            end="<|action_end|>",
            arguments_key="parameters",
        ),
    ),
    Family(
        "Phi-4-mini",
        ("<|tool|>", "<|/tool|>"),
        ToolSyntax(family="phi", form="list", begin="<|tool_call|>", end="<|/tool_call|>"),
    ),
    Family(
        "Granite 3",
        ("<|tool_call|>",),
        ToolSyntax(family="granite", form="list", begin="<|tool_call|>"),
    ),
    Family(
        "Nemotron",
        ("<TOOLCALL>",),
        ToolSyntax(family="nemotron", form="list", begin="<TOOLCALL>", end="</TOOLCALL>"),
    ),
    Family(
        "Jamba",
        ("<tool_calls>", "</tool_calls>"),
        ToolSyntax(family="jamba", form="list", begin="<tool_calls>", end="</tool_calls>"),
    ),
    Family("Qwen 2.5, Qwen 3, Hermes, SmolLM3, Granite 4", ("<tool_call>", "</tool_call>"), HERMES),
    Family("Llama 3.1 to 3.3", ("<|start_header_id|>", '"parameters": '), _LLAMA),
    Family("Llama 4", ("<|header_start|>", '"parameters": '), _LLAMA),
)

# Where reasoning stands; the first of which a template has the end.
REASONING = (
    Marked("<|channel|>analysis<|message|>", "<|end|><|start|>assistant", ends_prompts=True),
    Marked("<|channel>thought\n", "<channel|>"),
    Marked("<|START_THINKING|>", "<|END_THINKING|>"),
    Marked("[THINK]", "[/THINK]"),
    Marked("<seed:think>", "</seed:think>"),
    Marked("<thought>\n", "\n</thought>\n\n"),
    Marked("<think>\n", "\n</think>\n\n"),
)
