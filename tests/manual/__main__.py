"""Rewrite man/serve-daemon-api.7.scd from the code: make manual."""

from manual.page import main

main()
