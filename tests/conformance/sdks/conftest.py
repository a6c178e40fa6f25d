"""What the tests of all SDKs share: the address of the daemon, and its models.

They run in an environment of their own, which has the SDKs: `make conformance` starts the daemon
and says by the environment where it is. Elsewhere nothing here is collected.
"""

import os

import pytest

if "CONFORMANCE_URL" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def url() -> str:
    """The base URL of OpenAI's API."""
    return f"{os.environ['CONFORMANCE_URL']}/v1"


@pytest.fixture(scope="session")
def root() -> str:
    return os.environ["CONFORMANCE_URL"]


@pytest.fixture(scope="session")
def key() -> str:
    return os.environ["CONFORMANCE_KEY"]


@pytest.fixture(scope="session")
def model() -> str:
    return os.environ["CONFORMANCE_MODEL"]


@pytest.fixture(scope="session")
def embedding_model() -> str:
    return os.environ["CONFORMANCE_EMBEDDING_MODEL"]


@pytest.fixture(scope="session", autouse=True)
def _offline() -> None:
    """No SDK tells anybody of what is done here, nor asks for prices or models."""
    os.environ |= {
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HF_HUB_OFFLINE": "1",
        "ANONYMIZED_TELEMETRY": "false",
    }
