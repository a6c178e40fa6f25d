"""RESULTS.md by its sections: each is written by one command and survives the others."""

from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
TITLE = "# Results"
MARK = "## "
NARROW_CPU = "CPU without AVX-512"
CPU, LONG_PROMPT, GPU, PROFILE = "CPU", "A long prompt among streams", "GPU", "Profile notes"
RECOVERY, CONSTRAINED = "Recovery", "What a schema costs"
EMBEDDINGS, TOKEN_PATH, IDLE = "Embeddings", "A token's way", "Idle"
MEMORY = "Memory"
ORDER = (
    CPU,
    NARROW_CPU,
    LONG_PROMPT,
    CONSTRAINED,
    EMBEDDINGS,
    TOKEN_PATH,
    IDLE,
    MEMORY,
    RECOVERY,
    GPU,
    PROFILE,
)


def store(title: str, body: str, *, is_added: bool = False) -> None:
    """Put `body` into the file under `title`, instead of what stands there or behind it."""
    text = RESULTS.read_text() if RESULTS.exists() else ""
    before = taken_apart(text)[1].get(title, "") if is_added else ""
    RESULTS.write_text(replaced(text, title, f"{before}\n\n{body}"))


def replaced(text: str, title: str, body: str) -> str:
    """The document `text` with `body` as the section `title`, in `ORDER`; all else as it was.

    Raises `ValueError` where `body` would begin a section itself.
    """
    if any(line.startswith(MARK) for line in body.splitlines()):
        raise ValueError(f"a line of the section {title} begins another one: it starts with {MARK}")
    introduction, sections = taken_apart(text)
    sections[title] = body.strip()
    known = [each for each in ORDER if each in sections]
    others = [each for each in sections if each not in ORDER]
    parts = [introduction or TITLE]
    parts += [f"{MARK}{each}\n\n{sections[each]}" for each in [*known, *others]]
    return "\n\n".join(parts) + "\n"


def taken_apart(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first section, and each section's text by its title."""
    introduction: list[str] = []
    sections: dict[str, list[str]] = {}
    lines = introduction
    for line in text.splitlines():
        if line.startswith(MARK):
            lines = sections.setdefault(line.removeprefix(MARK).strip(), [])
        else:
            lines.append(line)
    bodies = {title: "\n".join(each).strip() for title, each in sections.items()}
    return "\n".join(introduction).strip(), bodies
