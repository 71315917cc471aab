"""Where everything lives: all of it below `.hearth` and `.venv` of the checkout."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
HOME: Final = ROOT / ".hearth"
VENV: Final = ROOT / ".venv"
BIN: Final = HOME / "bin"
LOGS: Final = HOME / "logs"
MODELS: Final = HOME / "models"
PYTHON: Final = VENV / "bin" / "python"
ENV_FILE: Final = HOME / "env.sh"

_OWN_BACKEND: Final = "PULUMI_BACKEND_URL"


def cache() -> Path:
    """Return the folder of downloads and compile caches; $HEARTH_CACHE moves it out of the checkout (CI keeps it)."""
    return Path(os.environ.get("HEARTH_CACHE") or HOME / "cache")


def passphrase_file() -> Path:
    """Return the file with the passphrase of stacks whose owner named no other."""
    return HOME / "passphrase"


def settings() -> dict[str, str]:
    """Return the variables that Pulumi's programs need; what is set already by their user wins."""
    wanted = {
        "PULUMI_HOME": str(HOME / "pulumi"),
        _OWN_BACKEND: f"file://{HOME / 'state'}",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The plugin was put in place by make up; without this every run asks the network for it again.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        # An Output that gets into a text is a mistake of the program: an error, not an apology in a file.
        "PULUMI_ERROR_OUTPUT_STRING": "true",
    }
    if "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        wanted["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase_file())
    return {name: os.environ.get(name) or value for name, value in wanted.items()}


def environment() -> dict[str, str]:
    """Return the whole environment of a child: this one's, the settings, and Hearth's programs first on PATH."""
    path = os.pathsep.join([str(VENV / "bin"), str(BIN), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **settings(), "PATH": path, "HEARTH_CACHE": str(cache())}


def write_env_file() -> None:
    """Write `.hearth/env.sh`: sourced, it makes plain `pulumi` commands work in a shell."""
    lines = [f'export PATH={shlex.quote(str(VENV / "bin"))}:{shlex.quote(str(BIN))}:"$PATH"']
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings().items())]
    HOME.mkdir(exist_ok=True)
    ENV_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
