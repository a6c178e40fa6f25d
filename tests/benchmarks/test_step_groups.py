"""Where an operation belongs in a step."""

import pytest

from step_groups import (
    ATTENTION,
    ELEMENTWISE,
    HEAD,
    HOST,
    LINEAR,
    OTHER,
    SAMPLING,
    Head,
    Operation,
    group_of,
    seconds_by_group,
)

HEAD_OF_MODEL = Head(vocabulary=512, weight=(9000,))


@pytest.mark.parametrize(
    ("name", "shapes", "group"),
    [
        ("aten::mm", [[4, 64], [64, 128]], LINEAR),
        ("aten::addmm", [[64], [4, 64], [64, 64]], LINEAR),
        ("serve_daemon::linear_q4", [[4, 64]], LINEAR),
        ("serve_daemon::block_linears", [[4, 64], [[3000], [9000]]], LINEAR),
        ("aten::mm", [[4, 64], [64, 512]], HEAD),
        ("serve_daemon::block_linear", [[4, 64], [9000]], HEAD),
        ("aten::argmax", [[4, 512]], SAMPLING),
        ("aten::_softmax", [[4, 512]], SAMPLING),
        ("aten::_softmax", [[1, 4, 1, 100]], ATTENTION),
        ("aten::bmm", [[4, 1, 16], [4, 16, 100]], ATTENTION),
        ("serve_daemon::slot_attention", [[4, 4, 16]], ATTENTION),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", [[1, 4, 1, 16]], ATTENTION),
        ("aten::embedding", [[512, 64], [4]], ELEMENTWISE),
        ("aten::rsqrt", [[4, 1]], ELEMENTWISE),
        ("void at::native::vectorized_elementwise_kernel<4>", [], ELEMENTWISE),
        ("graph_0_cpp_fused_add_mul_rsqrt_slot_attention_3", [], ELEMENTWISE),
        ("aten::set_", [], OTHER),
    ],
)
def test_an_operation_belongs_by_its_name_and_its_sizes(
    name: str, shapes: list[list[int]], group: str
) -> None:
    """The head is told from other products by the vocabulary among its sizes, or its weight."""
    assert group_of(Operation(name, 1.0, shapes), HEAD_OF_MODEL) == group


def test_what_no_operation_took_is_the_hosts() -> None:
    """All groups together are the whole."""
    operations = [Operation("aten::mm", 0.5), Operation("aten::mul", 0.2)]
    found = seconds_by_group(operations, 1.0, HEAD_OF_MODEL)
    assert found[LINEAR] == 0.5
    assert found[HOST] == pytest.approx(0.3)
    assert sum(found.values()) == pytest.approx(1.0)
