"""The docker resource plugin: the official one wherever it is or can be had, else Hearth's stand-in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from bootstrap import console, paths, probe
from bootstrap.plugins.docker import install as stand_in

NAME: Final = "docker plugin"
OFFICIAL: Final = f"official {stand_in.VERSION}"
STAND_IN: Final = "Hearth's stand-in (official not installed)"


def ensure() -> None:
    """Leave with a plugin in Pulumi's home; never with the stand-in where the official one can be had."""
    folder = _folder()
    if not (_is_official(folder) or _is_on_path()):
        elsewhere = Path.home() / ".pulumi" / stand_in.FOLDER
        if _is_official(elsewhere):
            _adopt(elsewhere, folder)
        elif probe.reachable(probe.PULUMI):
            _install_official(folder)
        if not _is_official(folder):
            stand_in.install(_home(), paths.PYTHON)
    console.done(NAME, in_use())


def in_use() -> str:
    """Return which plugin the engine will use here."""
    folder = _folder()
    if _is_on_path() or _is_official(folder):
        return OFFICIAL
    return STAND_IN if stand_in.is_stand_in(folder) else "none"


def _install_official(folder: Path) -> None:
    console.doing(NAME, f"installing the official {stand_in.VERSION}")
    _clear(folder)
    argv = ["pulumi", "plugin", "install", "resource", "docker", f"v{stand_in.VERSION}"]
    try:
        console.run_logged(NAME, argv, env=paths.environment())
    except console.StepError as error:
        console.warn(NAME, f"{str(error).splitlines()[0]} Going on with the stand-in.")
        _clear(folder)


def _adopt(elsewhere: Path, folder: Path) -> None:
    """Copy the plugin of the user's own Pulumi: the engine doesn't see a link as an installed plugin."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(elsewhere, part)
    _clear(folder)
    part.rename(folder)


def _home() -> Path:
    return Path(paths.settings()["PULUMI_HOME"])


def _folder() -> Path:
    return _home() / stand_in.FOLDER


def _is_on_path() -> bool:
    """Whether the engine finds a plugin on PATH, which it prefers to an installed one. The stand-in is never there."""
    return shutil.which(stand_in.BINARY, path=paths.environment()["PATH"]) is not None


def _is_official(folder: Path) -> bool:
    return os.access(folder / stand_in.BINARY, os.X_OK) and not stand_in.is_stand_in(folder)


def _clear(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
