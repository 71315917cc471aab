"""The virtualenv: made once, and again when the requirements change."""

from __future__ import annotations

import hashlib
import shutil
import sys
from typing import Final

from bootstrap import console, paths

NAME: Final = "python packages"
_STAMP: Final = paths.VENV / "hearth-requirements"
_LOWEST: Final = (3, 11)


def ensure(*, dev: bool) -> None:
    """Install requirements.txt (with `dev`, requirements-dev.txt too) unless they are installed already.

    Raises StepError where this Python is too old or can't make virtualenvs, or a package can't be had.
    """
    wanted = [_digest("requirements.txt"), *([_digest("requirements-dev.txt")] if dev else [])]
    if set(wanted) <= set(installed()):
        console.done(NAME, "installed in .venv")
        return
    if sys.version_info < _LOWEST:
        raise console.StepError(f"{NAME}: Python {sys.version.split()[0]} is too old. Install Python 3.11 or newer.")
    file = "requirements-dev.txt" if dev else "requirements.txt"
    console.doing(NAME, f"installing {file} into .venv")
    if not _works():
        _make()
    env = {**paths.environment(), "PIP_CACHE_DIR": str(paths.cache() / "pip")}
    pip = [str(paths.PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    # uv installs the rest several times faster than pip; a machine whose index only pip knows still has pip.
    try:
        console.run_logged("uv", [*pip, "--quiet", _uv()], env=env)
        argv = [str(paths.PYTHON), "-m", "uv", "pip", "install", "-r", str(paths.ROOT / file)]
        console.run_logged(NAME, argv, env={**env, **uv_environment(), "VIRTUAL_ENV": str(paths.VENV)})
    except console.StoppedError:
        raise
    except console.StepError:
        console.warn(NAME, "uv couldn't install them; trying pip")
        console.run_logged(NAME, [*pip, "-r", str(paths.ROOT / file)], env=env)
    _STAMP.write_text("\n".join({*wanted, _digest("requirements.txt")}), encoding="utf-8")
    console.done(NAME, "installed in .venv")


def installed() -> list[str]:
    """Return the digests of the requirement files that are installed."""
    try:
        # A virtualenv whose Python was removed has nothing installed, whatever its stamp says.
        return _STAMP.read_text(encoding="utf-8").split() if paths.PYTHON.exists() else []
    except OSError:
        return []


def is_ready() -> bool:
    """Whether what the program needs is installed."""
    return _digest("requirements.txt") in installed()


def _works() -> bool:
    return console.succeeds([str(paths.PYTHON), "-m", "pip", "--version"])


def _make() -> None:
    """Make an empty virtualenv with pip in it; Debian's own Python may lack the parts for that."""
    shutil.rmtree(paths.VENV, ignore_errors=True)
    if console.succeeds([sys.executable, "-c", "import ensurepip, venv"]):
        console.run_logged("virtualenv", [sys.executable, "-m", "venv", str(paths.VENV)])
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    fix = f"apt-get install python{version}-venv"
    if not console.succeeds([sys.executable, "-m", "pip", "--version"]):
        raise console.StepError(f"{NAME}: this Python has neither venv nor pip. As root: {fix}.")
    console.run_logged("virtualenv", [sys.executable, "-m", "venv", "--without-pip", str(paths.VENV)])
    argv = [sys.executable, "-m", "pip", "--python", str(paths.PYTHON), "install", "--quiet", "pip"]
    console.run_logged("pip", argv)


def uv_environment() -> dict[str, str]:
    """Return what uv has to be told: its cache, and where pip was told to look for packages, which uv doesn't read."""
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    found = {
        "UV_CACHE_DIR": str(paths.cache() / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        # pip reads the certificates of the machine; uv only when told to.
        "UV_SYSTEM_CERTS": "true",
    }
    for line in console.answer([str(paths.PYTHON), "-m", "pip", "config", "list"]).splitlines():
        key, _, value = line.partition("=")
        name = names.get(key.rpartition(".")[2])
        if name is not None:
            found[name] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    return found


def _uv() -> str:
    text = (paths.ROOT / "requirements.txt").read_text(encoding="utf-8")
    return next(line.split()[0] for line in text.splitlines() if line.startswith("uv=="))


def _digest(file: str) -> str:
    return hashlib.sha256((paths.ROOT / file).read_bytes()).hexdigest()[:16]
