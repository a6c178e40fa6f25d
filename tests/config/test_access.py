"""Keys and certificate of a configuration: read, judged, and what a change of them takes."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from config.loading import problems_of
from fakes.certificates import Authority
from serve_daemon.config.api_keys import Grant, hash_of, new_key
from serve_daemon.config.doubts import doubts_of_access
from serve_daemon.config.load import Loaded, Sources, load
from serve_daemon.config.plan import Action, plan

Write = Callable[..., Path]
HASH = hash_of("sk-one")
MODELS = '[models.m]\nsource = "/m"\naliases = ["a"]\n[models.n]\nsource = "/n"\n'


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def loaded(text: str, directory: Path | None = None) -> Loaded:
    environment = {"CREDENTIALS_DIRECTORY": str(directory)} if directory else {}
    return load(Sources(text=text, environment=environment))


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """A directory of credentials, with a file of two keys."""
    directory = tmp_path / "credentials"
    directory.mkdir()
    file = directory / "keys"
    file.touch(0o600)
    file.write_text("sk-one\n\n  sk-two \n")
    return directory


def test_a_key_is_its_hash() -> None:
    """Without models it is good for all."""
    grants = loaded(f'{MODELS}[keys.k]\nhash = "{HASH}"\n').access.grants
    assert grants == (Grant("k", (digest("sk-one"),), ()),)


def test_a_credential_holds_one_key_a_line(credentials: Path) -> None:
    """Blank lines are none; aliases of models stand for the models."""
    text = f'{MODELS}[keys.k]\ncredential = "keys"\nmodels = ["a", "n"]\n'
    (grant,) = loaded(text, credentials).access.grants
    assert grant == Grant("k", (digest("sk-one"), digest("sk-two")), ("m", "n"))


def test_no_key_stands_in_what_was_loaded(credentials: Path) -> None:
    """Nor is it shown by any of it."""
    assert "sk-one" not in repr(loaded(f'{MODELS}[keys.k]\ncredential = "keys"\n', credentials))


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        ("[keys.k]", "5:7: keys.k", "sets neither hash nor credential"),
        (f'[keys.k]\nhash = "{HASH}"\ncredential = "x"', "7:14: keys.k.credential", "beside hash"),
        ('[keys.k]\nhash = "sha256:12"', "6:8: keys.k.hash", "does not fit"),
        ('[keys.k]\nhash = "sk-one"', "6:8: keys.k.hash", "does not fit"),
        ('[keys.k]\ncredential = "a/b"', "6:14: keys.k.credential", "neither an absolute path"),
        ('[keys.k]\ncredential = "none"', "6:14: keys.k.credential", "there is no file"),
        ('[keys.k]\ncredential = "empty"', "6:14: keys.k.credential", "holds no key"),
        ('[keys.k]\ncredential = "words"', "6:14: keys.k.credential", "line 2 of the credential"),
        (f'[keys.k]\nhash = "{HASH}"\nmodels = ["x"]', "7:11: keys.k.models", '"x" is neither'),
        (
            f'[keys.k]\nhash = "{HASH}"\n[keys.l]\nhash = "{HASH}"',
            "8:8: keys.l.hash",
            "holds a key of k too",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(
    credentials: Path, keys: str, place: str, message: str
) -> None:
    """As any other of the file."""
    for name, content in {"empty": "\n", "words": "sk-1\ntwo words\n"}.items():
        (credentials / name).touch(0o600)
        (credentials / name).write_text(content)
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
    models = MODELS.replace('\naliases = ["a"]\n', "\n")
    (problem,) = problems_of(Sources(text=f"{models}{keys}\n", environment=environment))
    assert f"{problem.line}:{problem.column}: {problem.key}" == place
    assert message in problem.message


def test_a_mistake_in_a_key_is_told_once(credentials: Path) -> None:
    """What depends on it is not judged."""
    text = f'{MODELS}[keys.k]\nhash = 1\n[server]\ntls_key = 2\ntls_certificate = "c"\n'
    problems = problems_of(Sources(text=text))
    assert [each.key for each in problems] == ["keys.k.hash", "server.tls_key"]


def test_what_is_the_daemons_to_read_is_a_doubt_for_others() -> None:
    """`servectl check` is run by people, outside of the unit."""
    text = f'{MODELS}[keys.k]\ncredential = "keys"\n'
    (problem,) = problems_of(Sources(text=text))
    found = load(Sources(text=text, is_daemon=False))
    (doubt,) = doubts_of_access(found)
    assert (doubt.key, doubt.message) == (problem.key, problem.message)
    assert "LoadCredential=keys:/PATH" in doubt.message


def changes(old: str, new: str, directory: Path | None = None) -> tuple[Action, list[str]]:
    change = plan(loaded(old, directory), loaded(new, directory)).gateway
    return change.action, change.keys


def test_a_change_of_keys_is_live(credentials: Path) -> None:
    """Whatever it is; a credential by its content, and an alias by what it stands for."""
    one = f'[keys.k]\nhash = "{HASH}"\n'
    assert changes(MODELS, MODELS + one) == (Action.UPDATE, ["keys.k"])
    assert changes(MODELS + one, MODELS) == (Action.UPDATE, ["keys.k"])
    assert changes(MODELS + one, f'{MODELS}{one}models = ["m"]\n') == (Action.UPDATE, ["keys.k"])
    aliased = f'{MODELS}{one}models = ["a"]\n'
    moved = aliased.replace('aliases = ["a"]\n', "") + '[models.o]\naliases = ["a"]\n'
    assert changes(aliased, moved) == (Action.UPDATE, ["keys.k"])
    file = f'{MODELS}[keys."a.b"]\ncredential = "keys"\n'
    before = loaded(file, credentials)
    (credentials / "keys").write_text("sk-three")
    change = plan(before, loaded(file, credentials)).gateway
    assert (change.action, change.keys) == (Action.UPDATE, ['keys."a.b"'])


def tls(certificate: Path, key: Path, more: str = "") -> str:
    return f'[server]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n{more}{MODELS}'


def test_a_certificate_is_told_apart_by_its_content(tmp_path: Path) -> None:
    """A renewed one takes a new gateway, though the file is the same."""
    authority = Authority()
    text = tls(*authority.write(tmp_path))
    before = loaded(text)
    again = plan(before, loaded(text)).gateway
    assert again.action is Action.KEEP
    authority.write(tmp_path)
    change = plan(before, loaded(text)).gateway
    assert (change.action, change.keys) == (Action.REPLACE, ["server.tls_certificate"])
    assert doubts_of_access(before) == []
    assert "PRIVATE" not in repr(before)


def test_a_key_of_another_certificate_is_refused_at_its_place(tmp_path: Path) -> None:
    """In line and column, before anything is replaced."""
    authority = Authority()
    certificate, key = authority.write(tmp_path)
    key.write_bytes(authority.pair()[1])
    (problem,) = problems_of(Sources(text=tls(certificate, key)))
    assert (problem.line, problem.column, problem.key) == (3, 11, "server.tls_key")
    assert problem.message.startswith("is not the key of the certificate")


@pytest.mark.parametrize(
    ("server", "key", "message"),
    [
        ('tls_key = "/k"', "server.tls_key", "has no effect without tls_certificate"),
        ('tls_certificate = "/c"', "server.tls_certificate", "has no effect without tls_key"),
        ('tls_client_ca = "/c"', "server.tls_client_ca", "has no effect without tls_certificate"),
        ('tls_min_version = "1.1"', "server.tls_min_version", "is not known, use 1.2 or 1.3"),
        ('cors_origins = ["example.org"]', "server.cors_origins", "is no origin"),
    ],
)
def test_what_can_not_be_meant_is_refused(server: str, key: str, message: str) -> None:
    """Half a pair, or what no browser says."""
    (problem,) = problems_of(Sources(text=f"[server]\n{server}\n{MODELS}"))
    assert (problem.line, problem.key) == (2, key)
    assert message in problem.message


def test_a_new_key_has_256_bits() -> None:
    """So that its hash need not be slow."""
    first, second = new_key(), new_key()
    assert first != second
    assert first.startswith("sk-")
    assert len(first) == 3 + 43  # base64 of 32 bytes
