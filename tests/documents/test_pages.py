"""The manual pages are made without a complaint of any tool, and so is what shells read."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import source
from documents import pages
from manual import written

SHELLS = {
    "bash": ["bash", "-n"],
    "zsh": ["zsh", "-n"],
    "fish": ["fish", "--no-execute"],
}
FILES = [
    (shell, written.completion_file(program, shell))
    for shell in SHELLS
    for program in written.PROGRAMS
]


def needs(*programs: str) -> None:
    missing = [each for each in programs if not shutil.which(each)]
    if missing:
        pytest.skip(f"{' and '.join(missing)}: not installed")


def said(*command: str | Path, given: bytes | None = None) -> tuple[int, str, bytes]:
    """Status, complaints and output of a program."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    ran = subprocess.run(command, input=given, capture_output=True, check=False, env=environment)
    return ran.returncode, ran.stderr.decode(), ran.stdout


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_page_is_clean(page: str, tmp_path: Path) -> None:
    """Scdoc makes it; mandoc and man have nothing to say about it."""
    needs("scdoc")
    status, complaints, made = said("scdoc", given=pages.path_of(page).read_bytes())
    assert (status, complaints) == (0, "")
    file = tmp_path / page
    file.write_bytes(made)
    needs("mandoc", "man")
    assert said("mandoc", "-T", "lint", "-W", "error", file) == (0, "", b"")
    shown = said("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file)
    assert shown[:2] == (0, "")


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_page_is_in_the_usual_parts(page: str) -> None:
    """Their names and their order are those of systemd's pages."""
    usual = [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXIT STATUS"),
        *("ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"),
    ]
    own = [heading for heading in pages.sections(page) if heading in usual]
    assert own == [heading for heading in usual if heading in own]
    assert {"NAME", "DESCRIPTION", "SEE ALSO"} <= set(own)
    if page.endswith((".1", ".8")):
        assert {"SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES"} <= set(own)
    name, section = page.rsplit(".", 1)
    assert pages.text_of(page).startswith(f"{name}({section}) ")


@pytest.mark.parametrize("page", pages.PAGES)
def test_our_pages_that_a_page_names_exist(page: str) -> None:
    """And each names another one of them."""
    ours = {each.rsplit(".", 1)[0].strip("*") for each in pages.PAGES}
    named = {
        f"{name}.{section}"
        for name in ours
        for section in "12345678"
        if f"*{name}*({section})" in pages.text_of(page)
    }
    assert named - {page}
    assert named <= set(pages.PAGES)


@pytest.mark.parametrize(("shell", "file"), FILES, ids=[file.name for _, file in FILES])
def test_a_shell_reads_its_completions(shell: str, file: Path) -> None:
    """Without a complaint."""
    needs(shell)
    assert said(*SHELLS[shell], file) == (0, "", b"")


def test_shell_scripts_are_clean() -> None:
    """All that are under version control; completions are click's."""
    needs("shellcheck")
    scripts = [
        name
        for name, text in source.tracked_texts().items()
        if text.startswith(("#!/bin/sh", "#!/bin/bash", "#!/usr/bin/env bash"))
    ]
    assert "packaging/copy-source" in scripts
    assert said("shellcheck", *(source.ROOT / each for each in scripts)) == (0, "", b"")


def test_packages_get_all_of_it(tmp_path: Path) -> None:
    """Pages, completions where shells look, the schema where the installed file says that it is."""
    needs("scdoc")
    subprocess.run(["packaging/debian/documents", tmp_path], cwd=source.ROOT, check=True)
    assert {path.name for path in (tmp_path / "man").iterdir()} == set(pages.PAGES)
    share = tmp_path / "share"
    first, _, _ = (source.ROOT / "etc" / "serve.toml").read_text("utf-8").partition("\n")
    wanted = {first.removeprefix("#:schema file:///usr/share/")}
    for program in written.PROGRAMS:
        wanted.add(f"bash-completion/completions/{program}")
        wanted.add(f"zsh/vendor-completions/_{program}")
        wanted.add(f"fish/vendor_completions.d/{program}.fish")
    made = {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}
    assert wanted <= made
