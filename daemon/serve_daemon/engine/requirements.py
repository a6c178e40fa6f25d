"""Which Python packages are there, and what to say about those that are not."""

from collections.abc import Iterable
from importlib import metadata, util

from packaging.requirements import Requirement


def is_installed(requirement: str) -> bool:
    """Whether a package is there in a version that `requirement`, as pip takes it, allows."""
    wanted = Requirement(requirement)
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return False
    return wanted.specifier.contains(version, prereleases=True)


def missing(requirements: Iterable[str]) -> str:
    """What is not installed, and the command that installs it; "" if all is there."""
    wanted = [each for each in requirements if not is_installed(each)]
    if not wanted:
        return ""
    quoted = " ".join(f"'{each}'" for each in wanted)
    return f"{' and '.join(wanted)} (pip install {quoted} into the engine's Python environment)"


def need_torch() -> None:
    """Raise `ModuleNotFoundError` where this interpreter was never meant for engines."""
    if util.find_spec("torch") is None:
        raise ModuleNotFoundError("there is no torch", name="torch")


def kernels() -> str:
    """The package that gets kernels from the Hub, in the versions that Transformers works with."""
    from transformers.utils import import_utils

    least = getattr(import_utils, "KERNELS_MIN_VERSION", "")
    below = getattr(import_utils, "KERNELS_MAX_VERSION", "")
    return "kernels" + ",".join(
        f"{sign}{version}" for sign, version in ((">=", least), ("<", below)) if version
    )
