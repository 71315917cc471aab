"""Puts the stand-in where the engine looks for the official docker plugin. Standard library only: it runs before anything is installed."""

import shlex
from pathlib import Path

VERSION = "5.2.0"
"""The official release that is stood in for."""

FOLDER = f"plugins/resource-docker-v{VERSION}"
"""Where the engine looks, inside its home."""

MARK = "hearth-stand-in"
"""The file that tells the stand-in from the official plugin."""

BINARY = "pulumi-resource-docker"


def install(pulumi_home: Path, python: Path) -> Path:
    """Writes the launcher, unless an official plugin is there already, and returns the plugin's folder.

    python: the interpreter that has the packages of requirements.txt.
    """
    folder = pulumi_home / FOLDER
    if (folder / BINARY).exists() and not is_stand_in(folder):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    checkout = Path(__file__).resolve().parents[3]
    (folder / MARK).write_text(f"stand-in of pulumi-resource-docker {VERSION}, run from {checkout}\n")
    launcher = folder / BINARY
    # -P: the engine starts plugins in the program's folder, whose files must not shadow packages.
    launcher.write_text(
        "#!/bin/sh\n"
        f"export PYTHONPATH={shlex.quote(str(checkout))}\n"
        f'exec {shlex.quote(str(python.absolute()))} -P -m bootstrap.plugins.docker "$@"\n'
    )
    launcher.chmod(0o755)
    return folder


def is_stand_in(plugin_dir: Path) -> bool:
    """Whether the plugin in this folder is the stand-in."""
    return (plugin_dir / MARK).exists()
