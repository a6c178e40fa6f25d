"""Which files are read, and what is said of those that can't be."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serve_daemon.config.files import EMBEDDED_DEFAULT, digests, read_files

Write = Callable[..., Path]


def test_drop_ins_follow_the_main_file_in_the_order_of_their_names(write: Write) -> None:
    """Only *.toml counts, and not what an editor hides beside the file that it has open."""
    main = write("a = 1", zz="", b="", **{"10": "", ".b.toml.swp": "", ".hidden": ""})
    (main.with_name("serve.toml.d") / "README").write_text("no TOML")
    files, problems = read_files(main, None)
    names = [Path(file.path).name for file in files]
    assert names == ["serve.toml", "10.toml", "b.toml", "zz.toml"]
    assert not problems


def test_the_embedded_default_is_read_where_no_file_is_named() -> None:
    """It has no drop-ins: it lies in the package, not in /etc."""
    files, problems = read_files(None, None)
    assert [file.path for file in files] == [str(EMBEDDED_DEFAULT)]
    assert "[models.smollm2]" in files[0].text
    assert not problems


def test_another_text_stands_in_for_the_main_file_alone(write: Write) -> None:
    """What would be in the file is read with the drop-ins that are there."""
    files, _ = read_files(write("a = 1", b="b = 2"), "a = 3")
    assert [file.text for file in files] == ["a = 3", "b = 2"]


def test_another_text_needs_no_file_to_stand_in_for(main: Path) -> None:
    """A file that is not there yet can be tried."""
    files, problems = read_files(main, "a = 3")
    assert [file.text for file in files] == ["a = 3"]
    assert not problems


def test_digests_are_those_of_the_files_read(write: Write) -> None:
    """A watcher that finds the same digests need not load."""
    main = write("a = 1", b="b = 2")
    files, _ = read_files(main, None)
    assert digests(main) == {file.path: file.digest for file in files}


def test_a_digest_follows_the_content(write: Write) -> None:
    """Another content has another digest; a file that is gone has none."""
    main = write("a = 1", b="b = 2")
    before = digests(main)
    write("a = 2")
    after = digests(main)
    assert [path for path in before if before[path] != after[path]] == [str(main)]
    main.unlink()
    assert list(digests(main)) == [str(main.with_name("serve.toml.d") / "b.toml")]


def test_a_byte_order_mark_is_no_part_of_the_text(main: Path) -> None:
    """Some editors write one."""
    main.write_bytes("\ufeffa = 1".encode())
    files, _ = read_files(main, None)
    assert files[0].text == "a = 1"


def _missing(_: Path) -> None:
    pass


def _directory(main: Path) -> None:
    main.mkdir()


def _not_utf8(main: Path) -> None:
    main.write_bytes(b'a = 1\nb = "\xe9\xff"\n')


def _directory_in_the_way(main: Path) -> None:
    main.write_text("")
    main.with_name("serve.toml.d").write_text("")


def _loop(main: Path) -> None:
    main.symlink_to(main)


def _directory_as_drop_in(main: Path) -> None:
    main.write_text("")
    (main.with_name("serve.toml.d") / "a.toml").mkdir(parents=True)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (_missing, "serve.toml: there is no such file, create it or name another one"),
        (_directory, "serve.toml: is a directory, name a file"),
        (_directory_as_drop_in, "a.toml: is a directory, name a file"),
        (_directory_in_the_way, "serve.toml.d: is no directory, remove it or make it one"),
        (_loop, "serve.toml: can't be read (Too many levels of symbolic links), repair it"),
        (_not_utf8, "serve.toml:2:6: byte 0xe9 is not UTF-8, save the file as UTF-8"),
    ],
)
def test_a_file_that_can_not_be_read_is_a_problem(
    main: Path, prepare: Callable[[Path], None], said: str
) -> None:
    """Each reason has its own words, and nothing is raised."""
    prepare(main)
    _, (problem,) = read_files(main, None)
    assert said in problem.render()


def test_bytes_that_are_not_utf8_are_found_in_the_first_line_too(main: Path) -> None:
    """Columns count the characters before the byte."""
    main.write_bytes('a = "é'.encode() + b'\xff"')
    _, (problem,) = read_files(main, None)
    assert (problem.line, problem.column) == (1, 7)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Rights of somebody who may read nothing here."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.fixture
def locked(write: Write) -> Path:
    main = write("")
    main.chmod(0)
    return main


def test_a_file_that_may_not_be_read_is_a_problem(locked: Path, nobody: None) -> None:
    """The message says whose rights are missing."""
    _, problems = read_files(locked, None)
    assert "may not be read, let the daemon's user read it" in problems[-1].message
