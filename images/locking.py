"""Pins every Python package of an image: `requirements.in` names the programs, `requirements.lock` all that they pull in."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from images import recipes
from images.output import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The interpreter and the C library of the base image.
PYTHON_VERSION: Final = "3.11"
PLATFORM: Final = "x86_64-manylinux_2_36"


def lock(name: str, uv: Path, upgrade: Sequence[str] = ()) -> Path:
    """Resolve one image's packages anew and write its lock; returns the file.

    What is locked stays as it is, except for the packages named in `upgrade` and for what `requirements.in` now asks.

    Raises:
        BuildError: the image has no Python packages, or they can't be resolved together.
    """
    folder = recipes.FOLDER / recipes.find(name).name
    wanted, pinned, overrides = (folder / part for part in ("requirements.in", "requirements.lock", "overrides.txt"))
    if not wanted.is_file():
        msg = f"{name}: installs no Python packages ({wanted} is missing)."
        raise BuildError(msg)
    command = [str(uv), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python-version", PYTHON_VERSION, "--python-platform", PLATFORM]
    command += ["--override", str(overrides)] if overrides.is_file() else []
    command += [part for package in upgrade for part in ("--upgrade-package", package)]
    done = subprocess.run(
        [*command, str(wanted), "--output-file", str(pinned)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"{name}: its packages can't be resolved.\n{done.stderr.strip()}"
        raise BuildError(msg)
    return pinned
