"""What nobody else is to see, taken out of texts and documents: keys, tokens, prompts."""

import re
from typing import Any

REDACTED = "<redacted>"
# Fields of log records: what a model was asked, where [log] prompts has it written, and who asked.
SECRET_FIELDS = frozenset({"prompt", "client", "host", "authorization", "token", "api_key"})
SECRET_KEYS = frozenset({"hash"})  # of the configuration
OWN_HOSTS = ("127.0.0.1", "::1", "localhost")

_PATTERNS = (
    # The user and password of an address, and what its query says of either.
    (re.compile(r"(?<=://)[^/\s@\"']+(?=@)"), REDACTED),
    (
        re.compile(
            r"(?i)([?&](?:[\w-]*(?:token|key|secret|signature|password)[\w-]*)=)[^&\s\"'#]+"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"sha256:[0-9a-fA-F]{64}"), f"sha256:{REDACTED}"),
    (re.compile(r"(?i)\b(bearer|basic) +[\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    # As services give them out, ours among them.
    (
        re.compile(r"\b(?:sk-|hf_|api_org_|ghp_|gho_|github_pat_|glpat-|xox[abp]-)[\w-]{8,}"),
        REDACTED,
    ),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), REDACTED),
    (
        re.compile(
            r"(?im)^([ \t#]*[\w.\"-]*(?:token|secret|password|api_?key)\"?[ \t]*=[ \t]*)\S.*$"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL), REDACTED),
)


def text(content: str) -> str:
    """A text, as a file or a message of an error."""
    for pattern, instead in _PATTERNS:
        content = pattern.sub(instead, content)
    return content


def document(value: Any) -> Any:
    """A document as JSON has it: every text in it, and what certain fields hold."""
    match value:
        case dict():
            return {text(str(name)): _field(str(name), each) for name, each in value.items()}
        case list():
            return [document(each) for each in value]
        case str():
            return text(value)
    return value


def _field(name: str, value: Any) -> Any:
    is_secret = name.lower() in SECRET_FIELDS | SECRET_KEYS
    if is_secret and isinstance(value, str | bytes) and value and value not in OWN_HOSTS:
        return REDACTED
    return document(value)
