"""What the entry point is told: one JSON file, rendered from the plan."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .limits import Promise

SETTINGS_FILE = Path("/etc/hearth/engine.json")
_DIGEST_DIGITS = 12


@dataclass(frozen=True)
class Settings:
    """One engine. `prepare` runs before `command` and must end with 0; `cards` are ids of the cards it is given."""

    instance: str
    model: str
    kind: str
    device: str
    cards: tuple[str, ...]
    port: int
    status_port: int
    prepare: tuple[str, ...]
    command: tuple[str, ...]
    promise: Promise
    # Of the file as it was read: it changes with a deploy.
    digest: str = ""
    locks: Path = Path("/run/hearth/locks")
    status_file: Path = Path("/run/hearth/status.json")
    # In the container's own layer: it outlives a restart of the container, the daemon and the host, and ends with the
    # container, so that a changed declaration starts with a clean record.
    history_file: Path = Path("/var/lib/hearth/starts.json")


def read(file: Path) -> Settings:
    """Read the settings; raises KeyError or ValueError for a file that isn't this version's."""
    content = file.read_bytes()
    written: dict[str, Any] = json.loads(content)
    written["digest"] = hashlib.sha256(content).hexdigest()[:_DIGEST_DIGITS]
    for name in ("cards", "prepare", "command"):
        written[name] = tuple(written[name])
    for name in ("locks", "status_file", "history_file"):
        written |= {name: Path(written[name])} if name in written else {}
    return Settings(**{**written, "promise": Promise(**written["promise"])})
