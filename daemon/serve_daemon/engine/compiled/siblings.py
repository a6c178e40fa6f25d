"""Linear layers that read the same values are computed by one call: q, k and v, or gate and up.

The operators that multiply packed weights come in pairs, one for a weight and one for several over
one input, with the same bits. In a graph of single calls, those whose first argument is the same
node and whose others are there from the start can't depend on one another.
"""

import operator
from collections.abc import Iterable
from typing import Any

import torch
from torch.fx import Graph, Node

from serve_daemon.engine.kernels import block_operators, operators

# Each argument after the input becomes a list of those of the single calls.
OF_SEVERAL: dict[Any, Any] = {
    operators.bf16_linear.default: block_operators.bf16_linears.default,
    block_operators.block_linear.default: block_operators.block_linears.default,
}


def merge(program: torch.export.ExportedProgram) -> int:
    """Merge all siblings in the graph of `program`, in place; how many calls that makes."""
    graph = program.graph
    families = [each for each in _families(graph) if len(each) > 1]
    for siblings in families:
        _merge(graph, siblings)
    graph.lint()
    program.graph_module.recompile()
    return len(families)


def _families(graph: Graph) -> Iterable[list[Node]]:
    found: dict[tuple[Any, Any], list[Node]] = {}
    for node in graph.nodes:
        if node.target in OF_SEVERAL and _reads_constants(node):
            found.setdefault((node.target, node.args[0]), []).append(node)
    return found.values()


def _reads_constants(node: Node) -> bool:
    """Whether all that the node reads but its input is there before anything is computed."""
    rest = [each for each in node.all_input_nodes if each is not node.args[0]]
    return not node.kwargs and all(each.op == "placeholder" for each in rest)


def _merge(graph: Graph, siblings: list[Node]) -> None:
    """Compute all of them where the first one is, which comes after what they read."""
    first = siblings[0]
    others = zip(*(node.args[1:] for node in siblings), strict=True)
    with graph.inserting_before(first):
        merged = graph.call_function(OF_SEVERAL[first.target], (first.args[0], *map(list, others)))
        merged.meta = {**first.meta, "val": [node.meta["val"] for node in siblings]}
        for place, node in enumerate(siblings):
            one = graph.call_function(operator.getitem, (merged, place))
            one.meta = dict(node.meta)
            node.replace_all_uses_with(one)
    for node in siblings:
        graph.erase_node(node)
