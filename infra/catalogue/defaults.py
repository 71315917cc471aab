"""Defaults of `vllm serve` that changed between versions: what an engine does although nobody wrote it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.catalogue.flag_table import Version
from infra.catalogue.versions import parse_version

_FILE: Final = Path(__file__).with_name("defaults.json")


@dataclass(frozen=True, order=True)
class ChangedDefault:
    """One option whose default differs between two versions; `means` says what the option is about."""

    flag: str
    before: str
    after: str
    means: str


def changed_defaults(
    before: Version, after: Version, *, device: str, kind: str, given: Collection[str]
) -> list[ChangedDefault]:
    """Return what changes for an engine of that device and kind; `given` are the flags that it is started with."""
    found = []
    for entry in _content():
        names = {entry["flag"], *entry.get("also", ())}
        applies = device in entry.get("devices", (device,)) and kind in entry.get("kinds", (kind,))
        old, new = _at(entry["values"], before), _at(entry["values"], after)
        if applies and old != new and not names & {flag.removeprefix("no-") for flag in given}:
            found.append(ChangedDefault(entry["flag"], old, new, entry["means"]))
    return found


def _at(values: Mapping[str, str], version: Version) -> str:
    """Return the value that holds at a version: the newest entry that isn't newer."""
    held = next(iter(values.values()))
    for since, value in values.items():
        if (parse_version(since) or ()) <= version:
            held = value
    return held


@cache
def _content() -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(_FILE.read_text(encoding="utf-8"))["defaults"])
