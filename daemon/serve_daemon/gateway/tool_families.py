"""The families of models whose calls of tools, and whose reasoning, are known: a table."""

from serve_daemon.gateway.tool_writing import Family, Tag, ToolSyntax

HERMES = ToolSyntax(family="hermes", begin="<tool_call>\n", end="\n</tool_call>")

# For models whose template knows no tools: they are told of them in a system message.
GENERIC = Family(
    "any other model",
    (),
    ToolSyntax(family="generic", begin=HERMES.begin, end=HERMES.end, knows_tools=False),
)

# The first whose marks are all in a template; the narrower ones stand before the wider ones.
FAMILIES = (
    Family(
        "Qwen 3.5, Qwen3-Coder",
        ("<tool_call>", "<function=", "<parameter="),
        ToolSyntax(
            family="qwen-tags",
            form="tags",
            begin="<tool_call>\n<function=",
            name_end=">\n",
            tag=Tag("<parameter=", ">\n", "\n</parameter>\n"),
            end="</function>\n</tool_call>",
        ),
    ),
    Family("Qwen 2.5, Qwen 3, Hermes, SmolLM3, Granite 4", ("<tool_call>", "</tool_call>"), HERMES),
)

# What begins and what ends reasoning.
REASONING = (("<think>", "</think>"),)
