"""The text that Prometheus reads, by Prometheus' own parser."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from serve_daemon.supervisor.prometheus import family, histogram


@given(st.text(), st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_any_label_and_value_is_read_as_it_was_written(label: str, value: float) -> None:
    """Quotes, backslashes and ends of lines included."""
    text = family("a:b_total", "counter", "About it.", [({"name": label, "other": "x"}, value)])
    (found,) = text_string_to_metric_families(text)
    (sample,) = found.samples
    assert (found.type, found.documentation) == ("counter", "About it.")
    assert sample.labels == {"name": label, "other": "x"}
    assert sample.value == value


def test_buckets_are_cumulative() -> None:
    """And the last one is the count."""
    text = histogram("h", "About it.", (0.5, 1.0), [({"m": "a"}, [4.5, 2.0, 0.0, 3.0])])
    (found,) = text_string_to_metric_families(text)
    samples = {(each.name, each.labels.get("le")): each.value for each in found.samples}
    assert samples == {
        ("h_bucket", "0.5"): 2.0,
        ("h_bucket", "1.0"): 2.0,
        ("h_bucket", "+Inf"): 5.0,
        ("h_sum", None): 4.5,
        ("h_count", None): 5.0,
    }


def test_a_family_without_samples_has_its_head() -> None:
    """So that its name is known before anything has happened."""
    (found,) = text_string_to_metric_families(family("g", "gauge", "About it.", []))
    assert (found.name, found.samples) == ("g", [])
