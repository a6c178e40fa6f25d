"""What can be wrong with environments for engines."""


class EngineSetupError(Exception):
    """Why nothing was done, and what to do."""
