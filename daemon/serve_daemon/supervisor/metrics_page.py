"""The page that Prometheus reads: what is counted, as text."""

import time
from typing import Any


def page(daemon: dict[str, Any]) -> str:
    """All metrics in Prometheus' text format 0.0.4; `daemon` is a `Daemon` of the interface."""
    version, uptime = daemon["version"], max(time.time() - daemon["started"], 0.0)
    lines = [
        "# HELP serve_daemon_build_info The version of the daemon.",
        "# TYPE serve_daemon_build_info gauge",
        f'serve_daemon_build_info{{version="{version}"}} 1',
        "# HELP serve_daemon_uptime_seconds Since the daemon was started.",
        "# TYPE serve_daemon_uptime_seconds gauge",
        f"serve_daemon_uptime_seconds {uptime:.3f}",
    ]
    return "\n".join(lines) + "\n"
