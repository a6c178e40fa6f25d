"""Rewrite what is made from the code, the manual of the API and files of packaging: make manual."""

from manual import page, written

page.main()
written.main()
