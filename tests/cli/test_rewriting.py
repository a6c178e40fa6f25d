"""Files replaced in one piece, and their former contents back."""

from pathlib import Path

import pytest

from serve_daemon.cli.rewriting import Rewriting


def test_mode_and_link_stay(tmp_path: Path) -> None:
    """Who reads the file by a symbolic link reads the new content."""
    file, link = tmp_path / "serve.toml", tmp_path / "link.toml"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    Rewriting({link: "new"}).carry_out()
    assert (link.is_symlink(), file.read_text()) == (True, "new")
    assert file.stat().st_mode & 0o777 == 0o640
    assert {each.name for each in tmp_path.iterdir()} == {"serve.toml", "link.toml"}


def test_the_former_content_comes_back(tmp_path: Path) -> None:
    """A file that was not there is gone again."""
    present, absent = tmp_path / "present", tmp_path / "absent"
    present.write_text("old")
    rewriting = Rewriting({present: "new", absent: "new"})
    rewriting.carry_out()
    assert (present.read_text(), absent.read_text()) == ("new", "new")
    assert rewriting.undo() == []
    assert (present.read_text(), absent.exists()) == ("old", False)


def test_what_somebody_else_wrote_is_left(tmp_path: Path) -> None:
    """Their edit is later than ours."""
    file = tmp_path / "serve.toml"
    file.write_text("old")
    rewriting = Rewriting({file: "new"})
    rewriting.carry_out()
    file.write_text("theirs")
    assert rewriting.undo() == [file]
    assert file.read_text() == "theirs"


def test_all_or_nothing(tmp_path: Path) -> None:
    """Where one file can't be written, the others are as they were."""
    file = tmp_path / "serve.toml"
    file.write_text("old")
    rewriting = Rewriting({file: "new", tmp_path / "gone" / "drop-in.toml": "new"})
    with pytest.raises(FileNotFoundError):
        rewriting.carry_out()
    assert file.read_text() == "old"


def test_an_interrupt_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the second file is written gives the first its content back."""
    files = [tmp_path / "serve.toml", tmp_path / "drop-in.toml"]
    for each in files:
        each.write_text("old")
    interrupts = iter([None, KeyboardInterrupt()])

    def sync(_descriptor: int) -> None:
        if (interrupt := next(interrupts, None)) is not None:
            raise interrupt

    monkeypatch.setattr("os.fsync", sync)
    with pytest.raises(KeyboardInterrupt):
        Rewriting(dict.fromkeys(files, "new")).carry_out()
    assert [each.read_text() for each in files] == ["old", "old"]
    assert set(tmp_path.iterdir()) == set(files)
