"""The wheel and the source distribution, and the container file."""

import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import source

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `make dist` has put both, which twine has found good; the tools are beside them."""
    directory = tmp_path_factory.mktemp("dist")
    where = [f"BUILD={directory}", f"DIST={directory}/out"]
    command = ["make", "--directory", str(source.ROOT), *where, "dist"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return directory


def of_the_package() -> set[str]:
    """The files of the package that are under version control, as a wheel has them."""
    home = source.PACKAGE.relative_to(source.ROOT).as_posix()
    listed = subprocess.run(
        ["git", "ls-files", home], cwd=source.ROOT, capture_output=True, text=True, check=True
    )
    parent = f"{Path(home).parent.as_posix()}/"
    return {name.removeprefix(parent) for name in listed.stdout.splitlines()}


def test_the_wheel_has_all_that_the_package_reads(built: Path) -> None:
    """Modules, data, and the file that is a link in the repository; nothing compiled here."""
    (path,) = (built / "out").glob("*.whl")
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        default = wheel.read("serve_daemon/config/default.toml").decode()
    assert of_the_package() - names == set()
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert default == (source.ROOT / "etc/serve.toml").read_text()


def test_debian_packages_can_be_built_from_the_source_distribution(built: Path) -> None:
    """It has what `make deb` takes, and its license."""
    (path,) = (built / "out").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = {each.name.partition("/")[2]: each for each in archive.getmembers()}
    wanted = ("Makefile", "LICENSE", "requirements.lock", "packaging/copy-source", "man", "etc")
    assert members.keys() >= {*wanted, "packaging/debian/rules", "packaging/systemd"}
    assert members["packaging/copy-source"].mode & 0o111
    assert members["packaging/debian/rules"].mode & 0o111
    assert members["daemon/serve_daemon/config/default.toml"].isfile()


def test_hadolint_finds_nothing_in_the_container_file(built: Path) -> None:
    """Neither errors nor warnings."""
    command = [str(built / "tools/bin/hadolint"), "--failure-threshold", "warning"]
    file = source.ROOT / "packaging/container/Containerfile"
    done = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
