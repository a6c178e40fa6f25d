"""A program: how well a model foretells prose, by an engine's steps or by plain Transformers.

    python -m engine.perplexity CACHE NUM_TOKENS < SPEC > FORETOLD

SPEC is an `EngineSpec` and FORETOLD a `Foretold`, both as JSON. The engine of the spec is made to
say the text, many pieces of it at once, and tells how likely it found each token;
the engine "transformers" is Transformers' own forward pass over the same pieces.
"""

import json
import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from pydoc_data import topics
from statistics import fmean
from typing import Any

import msgspec
import torch
from msgspec import Struct
from tokenizers import Tokenizer

from serve_daemon.engine import engines, loader
from serve_daemon.engine.grammar import Grammar
from serve_daemon.engine.loader import Loaded
from serve_daemon.engine.protocol import Embedder, Outputs
from serve_daemon.engine.records import Record, record_of
from serve_daemon.wire.logs import configure_child_logging
from serve_daemon.wire.messages import EngineSpec, Submit
from serve_daemon.wire.sampling import Sampling

PIECES = 16
LEAST_WORDS = 30  # of a paragraph that is prose; headings and code are not
THREADS = 2
FORCED = "forced"

Text = list[int]


class Foretold(Struct, frozen=True):
    """What a model made of every token but the first of each piece."""

    mean: float  # of their log-probabilities
    choices: list[int]  # the token that it found likeliest in the place of each


def prose(tokenizer: Tokenizer, num_tokens: int) -> list[Text]:
    """Pieces of Python's own manual, which comes with every Python.

    Each begins as the tokenizer has texts begin: without its first token Gemma knows nothing.
    """
    paragraphs = [each for topic in topics.topics.values() for each in topic.split("\n\n")]
    written = [
        " ".join(each.split())
        for each in paragraphs
        if not each.startswith((" ", "*", "|")) and len(each.split()) >= LEAST_WORDS
    ]
    begin = tokenizer.encode("").ids
    tokens = tokenizer.encode("\n".join(written), add_special_tokens=False).ids[:num_tokens]
    assert len(tokens) == num_tokens, f"there are only {len(tokens)} tokens of prose"
    length = num_tokens // PIECES
    starts = range(0, num_tokens, length)
    return [begin + tokens[start : start + length] for start in starts]


class OneText:
    """A grammar that allows a single text."""

    is_complete = False
    error = ""

    def __init__(self, text: Text, vocabulary: int) -> None:
        self._left = text[::-1]
        self._words = -(-vocabulary // 32)

    def mask(self) -> torch.Tensor:
        bits = torch.zeros(self._words, dtype=torch.int64)
        bits[self._left[-1] // 32] = 1 << self._left[-1] % 32
        return bits.to(torch.int32)

    def accept(self, token: int) -> None:
        assert token == self._left.pop()


class Listener:
    """Hears how likely the model found each token of its text."""

    def __init__(self, num_sequences: int) -> None:
        self.logprobs: list[list[float]] = [[] for _ in range(num_sequences)]
        self.choices: list[list[int]] = [[] for _ in range(num_sequences)]
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._left = num_sequences

    def step(self, outputs: Outputs) -> None:
        for output in (each for of_owner in outputs.values() for each in of_owner):
            self.logprobs[output.sequence] += [each.logprob for each in output.logprobs]
            self.choices[output.sequence] += [each.top_tokens[0] for each in output.logprobs]
            self._left -= output.finish is not None
        if not self._left:
            self.done.set()

    def fatal(self, error: BaseException) -> None:
        self.error = error
        self.done.set()


def by_engine(spec: EngineSpec, loaded: Loaded, texts: Sequence[Text]) -> Foretold:
    """As the engine's sampler met them."""
    vocabulary = json.loads((loaded.folder / "config.json").read_bytes())["vocab_size"]

    def forced(submit: Submit, _grammar: Grammar | None = None) -> Record | None:
        is_forced = submit.request_id == FORCED
        grammar = OneText(texts[submit.sequence][1:], vocabulary) if is_forced else None
        return record_of(submit, grammar)

    vars(import_module(f"serve_daemon.engine.{spec.engine}.sequences"))["record_of"] = forced
    listener = Listener(len(texts))
    engine = engines.implementation(spec)(loaded, spec, THREADS)
    assert not isinstance(engine, Embedder)
    engine.start(listener)
    sampling = Sampling(temperature=0.0, logprobs=1)
    for number, text in enumerate(texts):
        engine.submit(0, Submit(number, FORCED, text[:1], len(text) - 1, [], sampling))
    listener.done.wait()
    if listener.error is not None:
        raise listener.error
    return _foretold(listener.logprobs, listener.choices)


def by_transformers(spec: EngineSpec, folder: Path, texts: Sequence[Text]) -> Foretold:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, spec.dtype), **_quantization(spec)
    ).eval()
    logprobs: list[list[float]] = []
    choices: list[list[int]] = []
    for text in texts:
        tokens = torch.tensor([text])
        with torch.inference_mode():
            scores = model(tokens).logits[0, :-1].float().log_softmax(dim=-1)
        logprobs.append(scores.gather(-1, tokens[0, 1:, None]).flatten().tolist())
        choices.append(scores.argmax(dim=-1).tolist())
    return _foretold(logprobs, choices)


def _foretold(logprobs: list[list[float]], choices: list[list[int]]) -> Foretold:
    """Of the pieces together, one after the other."""
    return Foretold(fmean(chain(*logprobs)), list(chain(*choices)))


def _quantization(spec: EngineSpec) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    if spec.quantization == "none":
        return {}
    if spec.quantization == "bnb-8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, spec.dtype),
    )
    return {"quantization_config": config}


def main(cache: Path, num_tokens: int, spec: EngineSpec) -> Foretold:
    torch.set_num_threads(THREADS)
    is_plain = spec.engine == "transformers"
    plain = msgspec.structs.replace(spec, quantization="none", gguf="dequantize")
    loading = plain if is_plain else spec
    loaded = loader.load(
        loading, loader.locate(spec, lambda *_: None), cache, lambda *_progress: None
    )
    texts = prose(Tokenizer.from_file(str(loaded.artefacts / "tokenizer.json")), num_tokens)
    if is_plain:
        return by_transformers(spec, loaded.artefacts, texts)
    return by_engine(spec, loaded, texts)


if __name__ == "__main__":
    configure_child_logging("warning")
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=EngineSpec)
    sys.stdout.buffer.write(msgspec.json.encode(main(Path(sys.argv[1]), int(sys.argv[2]), asked)))
    sys.stdout.flush()
    os._exit(0)  # the engine's threads never end
