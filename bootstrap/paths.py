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


def cache() -> Path:
    """Return the folder of downloads and compile caches; $HEARTH_CACHE moves it out of the checkout (CI keeps it)."""
    return Path(os.environ.get("HEARTH_CACHE") or HOME / "cache")


def passphrase_file() -> Path:
    """Return the file with the passphrase of stacks whose owner named no other."""
    return HOME / "passphrase"


def defaults() -> dict[str, str]:
    """Return the variables that Pulumi's programs need, as they are for somebody who set none of them."""
    return {
        "PULUMI_HOME": str(HOME / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{HOME / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase_file()),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The plugin was put in place by make up; without this every run asks the network for it again.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        # An Output that gets into a text is a mistake of the program: an error, not an apology in a file.
        "PULUMI_ERROR_OUTPUT_STRING": "true",
    }


def settings() -> dict[str, str]:
    """Return those variables for a child; what is set already by its user wins."""
    wanted = {name: os.environ.get(name) or value for name, value in defaults().items()}
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ and "PULUMI_CONFIG_PASSPHRASE_FILE" not in os.environ:
        del wanted["PULUMI_CONFIG_PASSPHRASE_FILE"]
    return wanted


def environment() -> dict[str, str]:
    """Return the whole environment of a child: this one's, the settings, and Hearth's programs first on PATH."""
    path = os.pathsep.join([str(VENV / "bin"), str(BIN), os.environ.get("PATH", os.defpath)])
    # Without compiled files the program's imports alone take over a second of every preview.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, **settings(), "PATH": path, "HEARTH_CACHE": str(cache())}


def write_env_file() -> None:
    """Write `.hearth/env.sh`: sourced, it makes plain `pulumi` commands work in a shell and leaves what is set there."""
    lines = ["unset PYTHONDONTWRITEBYTECODE"]
    lines.append(f'export PATH={shlex.quote(str(VENV / "bin"))}:{shlex.quote(str(BIN))}:"$PATH"')
    for name, value in sorted(defaults().items()):
        assignment = f'export {name}="${{{name}:-{value}}}"'
        own = '[ -n "${PULUMI_CONFIG_PASSPHRASE+set}" ] || ' if name == "PULUMI_CONFIG_PASSPHRASE_FILE" else ""
        lines.append(own + assignment)
    HOME.mkdir(exist_ok=True)
    ENV_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
