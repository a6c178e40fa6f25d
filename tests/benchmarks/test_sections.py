"""The file of results: what one command writes, the others leave alone."""

from pathlib import Path

import pytest

import sections
from sections import CPU, GPU, PROFILE, replaced, store, taken_apart

WHOLE = "# Results\n\nAbout.\n\n## CPU\n\nold\n\n### more\n\n## Profile notes\n\nkept\n"


def test_a_section_is_replaced_and_the_others_stay() -> None:
    """Its own smaller headings are part of it."""
    found = replaced(WHOLE, CPU, "new")
    assert taken_apart(found) == ("# Results\n\nAbout.", {CPU: "new", PROFILE: "kept"})


def test_a_new_section_stands_in_its_place() -> None:
    """The order does not depend on which command ran first."""
    assert list(taken_apart(replaced(WHOLE, GPU, "fast"))[1]) == [CPU, GPU, PROFILE]
    assert replaced("", GPU, "fast") == "# Results\n\n## GPU\n\nfast\n"


def test_writing_the_same_again_changes_nothing() -> None:
    """So a diff shows figures alone."""
    once = replaced(WHOLE, CPU, "new")
    assert replaced(once, CPU, "new") == once


def test_what_would_begin_another_section_is_refused() -> None:
    """It would be lost with the next writing."""
    with pytest.raises(ValueError, match="begins another one"):
        replaced(WHOLE, CPU, "text\n\n## GPU\n\ntext")


def test_the_file_is_made_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is added to from then on."""
    monkeypatch.setattr(sections, "RESULTS", tmp_path / "RESULTS.md")
    store(GPU, "fast")
    store(CPU, "slow")
    assert taken_apart((tmp_path / "RESULTS.md").read_text())[1] == {CPU: "slow", GPU: "fast"}
    store(GPU, "faster", is_added=True)
    store(CPU, "slower")
    assert taken_apart((tmp_path / "RESULTS.md").read_text())[1] == {
        CPU: "slower",
        GPU: "fast\n\nfaster",
    }
