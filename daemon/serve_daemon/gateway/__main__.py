"""`python -m serve_daemon.gateway`."""

from serve_daemon.gateway.program import main

main()
