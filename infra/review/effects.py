"""What changed files mean: flags of engines, and alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from infra.review.changes import Change, FileChange

ENGINE_SETTINGS: Final = "/etc/hearth/engine.json"
RULES: Final = "/etc/prometheus/rules/"
NONE: Final = "-"
# The program, its first word and the model stand before the flags.
_BEFORE_FLAGS: Final = 3


@dataclass(frozen=True)
class FlagChange:
    """One flag of one engine; `-` where it isn't there."""

    engine: str
    flag: str
    before: str
    after: str


@dataclass(frozen=True)
class AlertChange:
    """One alert that is new, gone, or has another condition, time or severity."""

    name: str
    what: str


def flag_changes(changes: Sequence[Change]) -> list[FlagChange]:
    """Return every flag that engines which exist already would have otherwise."""
    found = []
    for change in changes:
        for file in change.files:
            if file.path == ENGINE_SETTINGS and file.before and file.after:
                old, new = _flags(file.before), _flags(file.after)
                found += [
                    FlagChange(change.name, flag, old.get(flag, NONE), new.get(flag, NONE))
                    for flag in sorted(old.keys() | new.keys())
                    if old.get(flag) != new.get(flag)
                ]
    return found


def alert_changes(changes: Sequence[Change]) -> list[AlertChange]:
    """Return what becomes of alerts, by name."""
    found = []
    for change in changes:
        for file in change.files:
            if file.path.startswith(RULES):
                found += list(_alerts(file))
    return found


def _flags(settings: str) -> dict[str, str]:
    words: list[str] = json.loads(settings)["command"]
    flags: dict[str, list[str]] = {}
    name = "model"
    flags[name] = words[_BEFORE_FLAGS - 1 : _BEFORE_FLAGS]
    for word in words[_BEFORE_FLAGS:]:
        if word.startswith("--"):
            name = word
            flags[name] = []
        else:
            flags[name].append(word)
    return {flag: " ".join(values) or "on" for flag, values in flags.items()}


def _alerts(file: FileChange) -> Iterator[AlertChange]:
    old, new = _by_name(file.before), _by_name(file.after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield AlertChange(name, "is new")
        elif name not in new:
            yield AlertChange(name, "is gone")
        else:
            told = [
                f"{word} {_of(old[name], key)} → {_of(new[name], key)}"
                for word, key in (("holds", "for"), ("severity", "severity"))
                if _of(old[name], key) != _of(new[name], key)
            ]
            told += ["another condition"] if old[name].get("expr") != new[name].get("expr") else []
            if told:
                yield AlertChange(name, ", ".join(told))


def _of(rule: Mapping[str, Any], key: str) -> str:
    return str(rule.get(key) or (rule.get("labels") or {}).get(key) or NONE)


def _by_name(text: str | None) -> dict[str, Mapping[str, Any]]:
    groups = (yaml.safe_load(text) or {}).get("groups") or () if text else ()
    return {rule["alert"]: rule for group in groups for rule in group.get("rules") or () if "alert" in rule}
