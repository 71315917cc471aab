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
    """Install requirements.txt (with `dev`, requirements-dev.txt too) unless they are installed already."""
    wanted = [_digest("requirements.txt"), *([_digest("requirements-dev.txt")] if dev else [])]
    if set(wanted) <= set(installed()):
        console.done(NAME, "installed in .venv")
        return
    if sys.version_info < _LOWEST:
        raise console.StepError(f"{NAME}: Python {sys.version.split()[0]} is too old. Install Python 3.11 or newer.")
    file = "requirements-dev.txt" if dev else "requirements.txt"
    console.doing(NAME, f"installing {file} into .venv")
    if not paths.PYTHON.exists():
        shutil.rmtree(paths.VENV, ignore_errors=True)
        console.run_logged("virtualenv", [sys.executable, "-m", "venv", str(paths.VENV)])
    env = {
        **paths.environment(),
        "PIP_CACHE_DIR": str(paths.cache() / "pip"),
        "UV_CACHE_DIR": str(paths.cache() / "uv"),
    }
    pip = [str(paths.PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    # uv installs the rest several times faster than pip; a machine whose index only pip knows still has pip.
    try:
        console.run_logged("uv", [*pip, "--quiet", _uv()], env=env)
        argv = [str(paths.PYTHON), "-m", "uv", "pip", "install", "-r", str(paths.ROOT / file)]
        console.run_logged(NAME, argv, env={**env, "VIRTUAL_ENV": str(paths.VENV)})
    except console.StepError:
        console.warn(NAME, "uv couldn't install them; trying pip")
        console.run_logged(NAME, [*pip, "-r", str(paths.ROOT / file)], env=env)
    _STAMP.write_text("\n".join({*wanted, _digest("requirements.txt")}), encoding="utf-8")
    console.done(NAME, "installed in .venv")


def installed() -> list[str]:
    """Return the digests of the requirement files that are installed."""
    try:
        return _STAMP.read_text(encoding="utf-8").split()
    except OSError:
        return []


def is_ready() -> bool:
    """Whether what the program needs is installed."""
    return _digest("requirements.txt") in installed()


def _uv() -> str:
    text = (paths.ROOT / "requirements.txt").read_text(encoding="utf-8")
    return next(line.split()[0] for line in text.splitlines() if line.startswith("uv=="))


def _digest(file: str) -> str:
    return hashlib.sha256((paths.ROOT / file).read_bytes()).hexdigest()[:16]
