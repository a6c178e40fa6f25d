"""Grammars of llguidance as the sampler and the engines use them; none of it needs a model."""

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from tokenizers import Tokenizer

from engine.models import VOCABULARY, write_config, write_tokenizer
from serve_daemon.engine.grammars import GrammarError, Grammars
from serve_daemon.engine.matcher import Matcher
from serve_daemon.engine.records import record_of
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling

EOS = 2
WORDS = 'start: "he" ("a" | "b")*'
WAIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(write_config(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(params=[True, False], ids=["beside a step", "between steps"])
def grammars(request: pytest.FixtureRequest, folder: Path) -> Grammars:
    return Grammars(folder, VOCABULARY, [EOS], has_spare_cores=request.param)


def submit(grammar: str, output: Sequence[int] = (), stop: Sequence[int] = (EOS,)) -> Submit:
    tokens = [7, *output]
    return Submit(1, "r", tokens, 9, list(stop), Sampling(), len(output), grammar)


def allowed(grammar: Matcher) -> list[int]:
    mask = grammar.mask()
    bits = (mask.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32)) & 1
    return bits.flatten().nonzero().flatten().tolist()


def ids(tokenizer: Tokenizer, pieces: Sequence[str]) -> list[int]:
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[piece] for piece in pieces]


def test_a_mask_allows_what_may_come_next(grammars: Grammars, tokenizer: Tokenizer) -> None:
    """Tokens of several letters, too; an end where the text may end."""
    grammar = grammars.begin(submit(WORDS))
    [he, h, a, b] = ids(tokenizer, ["he", "h", "a", "b"])
    assert set(allowed(grammar)) <= {he, h}
    grammar.accept(he)
    assert set(allowed(grammar)) == {a, b, EOS}
    grammar.accept(a)
    grammars.foresee()
    assert set(allowed(grammar)) == {a, b, EOS}
    assert not grammar.is_complete
    grammar.accept(EOS)
    assert grammar.is_complete
    assert grammar.error == ""


def test_where_nothing_may_follow_it_is_complete(grammars: Grammars, tokenizer: Tokenizer) -> None:
    """Then only an end may come."""
    grammar = grammars.begin(submit('start: "a"'))
    grammar.mask()
    grammar.accept(*ids(tokenizer, "a"))
    assert grammar.is_complete
    assert allowed(grammar) == [EOS]


def test_another_end_may_come_where_the_text_may_end(
    grammars: Grammars, tokenizer: Tokenizer
) -> None:
    """A special token that the request stops at; text is text."""
    [unknown, a, b] = ids(tokenizer, ["<unk>", "a", "b"])
    grammar = grammars.begin(submit('start: "a" "b"?', stop=[EOS, unknown, b]))
    assert allowed(grammar) == [a]
    grammar.accept(a)
    assert set(allowed(grammar)) == {b, EOS, unknown}
    grammar.accept(unknown)
    assert grammar.is_complete
    assert grammar.error == ""


def test_what_the_grammar_lacks_is_an_error(grammars: Grammars, tokenizer: Tokenizer) -> None:
    """Of this sequence alone."""
    grammar = grammars.begin(submit(WORDS))
    grammar.accept(*ids(tokenizer, "x"))
    assert "grammar" in grammar.error
    assert allowed(grammar) == [EOS]
    other = grammars.begin(submit(WORDS))
    assert allowed(other) != [EOS]


def test_a_sequence_goes_on_in_its_grammar_where_another_engine_left_it(
    folder: Path, tokenizer: Tokenizer
) -> None:
    """Its output so far is accepted, its prompt is not."""
    output = ids(tokenizer, ["he", "a"])
    elsewhere = Grammars(folder, VOCABULARY, [EOS])
    order = submit(WORDS, output)
    grammar = elsewhere.begin(order)
    record = record_of(order, grammar)
    assert record is not None
    assert record.error == ""
    assert set(allowed(grammar)) == {*ids(tokenizer, "ab"), EOS}


def test_many_masks_are_foreseen_at_once(grammars: Grammars, tokenizer: Tokenizer) -> None:
    """Each is that of its own sequence."""
    matchers = [grammars.begin(submit(f'start: "{letter}" "{letter}"')) for letter in "abcdef"]
    for letter, matcher in zip("abcdef", matchers, strict=True):
        matcher.mask()
        matcher.accept(*ids(tokenizer, letter))
    grammars.foresee()
    assert [allowed(each) for each in matchers] == [[each] for each in ids(tokenizer, "abcdef")]


def test_least_tokens_do_not_outlast_a_grammar(grammars: Grammars, tokenizer: Tokenizer) -> None:
    """Where nothing but an end may come, an end comes."""
    order = Submit(1, "r", [7], 9, [EOS], Sampling(min_tokens=9), grammar='start: "a" | "ab"')
    grammar = grammars.begin(order)
    record = record_of(order, grammar)
    assert record is not None
    assert EOS in record.biases[0]
    record.add_output(ids(tokenizer, "a"))
    assert EOS in record.biases[0]
    record.add_output(ids(tokenizer, "b"))
    assert EOS not in record.biases[0]


def test_what_is_no_grammar_says_why(grammars: Grammars, tmp_path: Path) -> None:
    """And what model has no tokenizer."""
    with pytest.raises(GrammarError, match="nothing"):
        grammars.begin(submit("start: nothing"))
    without = Grammars(write_config(tmp_path / "m"), VOCABULARY, [EOS])
    with pytest.raises(GrammarError, match=r"tokenizer\.json"):
        without.begin(submit(WORDS))


def test_who_is_cancelled_before_its_grammar_is_made_never_joins(grammars: Grammars) -> None:
    """Others do, in their order."""
    joined: list[str] = []
    making, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def make(name: str, _grammar: Matcher) -> str:
        making.set()
        go_on.wait(WAIT_SECONDS)
        return name

    def join(name: str) -> None:
        joined.append(name)
        if name == "c":
            done.set()

    for name in "abc":
        grammars.prepare(name, submit(WORDS), partial(make, name), join, joined.append)
    assert making.wait(WAIT_SECONDS)
    assert grammars.cancel("a")
    assert not grammars.cancel("d")
    go_on.set()
    assert done.wait(WAIT_SECONDS)
    assert joined == ["b", "c"]
    assert not grammars.cancel("b")
