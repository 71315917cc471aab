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
    if not _is_official(folder):
        elsewhere = Path.home() / ".pulumi" / stand_in.FOLDER
        if _is_official(elsewhere):
            _clear(folder)
            folder.symlink_to(elsewhere, target_is_directory=True)
        elif probe.reachable(probe.PULUMI):
            console.doing(NAME, f"installing the official {stand_in.VERSION}")
            _clear(folder)
            argv = ["pulumi", "plugin", "install", "resource", "docker", f"v{stand_in.VERSION}"]
            console.run_logged(NAME, argv, env=paths.environment())
        else:
            stand_in.install(_home(), paths.PYTHON)
    console.done(NAME, in_use())


def in_use() -> str:
    """Return which plugin the engine will use here."""
    folder = _folder()
    if _is_official(folder) or shutil.which(stand_in.BINARY):
        return OFFICIAL
    return STAND_IN if stand_in.is_stand_in(folder) else "none"


def _home() -> Path:
    return Path(paths.settings()["PULUMI_HOME"])


def _folder() -> Path:
    return _home() / stand_in.FOLDER


def _is_official(folder: Path) -> bool:
    return os.access(folder / stand_in.BINARY, os.X_OK) and not stand_in.is_stand_in(folder)


def _clear(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
