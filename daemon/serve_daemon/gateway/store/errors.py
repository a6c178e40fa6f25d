"""What can go wrong with the database of responses."""


class StoreUnavailable(Exception):  # noqa: N818 - it names what is found
    """Nothing can be kept or found: the database can't be opened, read or written."""


class NotOurs(Exception):  # noqa: N818 - it names what is found
    """The response is gone, cancelled, or in the making by another worker now."""
