"""What the engine sees: a preview that refreshes first, read from its JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.drift.difference import Difference, Wins
from infra.drift.look import NOTHING

_TIMEOUT_S: Final = 900
# With --expect-no-changes; the preview itself went well.
_CHANGES: Final = 7
_SAID: Final = 600
# Steps that change nothing, and the halves of a replacement, which has a step of its own.
_QUIET: Final = frozenset({"same", "refresh", "read", "create-replacement", "delete-replaced"})
_PLAIN: Final = frozenset(
    {"cpuSet", "cpus", "driver", "hostname", "image", "ipcMode", "logDriver", "name", "networkMode", "restart", "user"}
)
_ANEW: Final = frozenset({"replace", "create", "create-replacement"})


class EngineError(Exception):
    """The preview itself failed; the text says why."""


@dataclass(frozen=True)
class Preview:
    """What `up` would change. What it would make anew (`replaced`, urns) is as declared afterwards, all of it."""

    differences: tuple[Difference, ...] = ()
    replaced: frozenset[str] = frozenset()


def ask_engine(stack: str) -> Preview:
    """Preview the stack after a refresh, and return what `up` would change.

    Raises:
        EngineError: there is no engine, no state, or a host that it can't reach.
    """
    options = ("--refresh", "--expect-no-changes", "--json", "--non-interactive")
    try:
        ran = subprocess.run(
            ["pulumi", "preview", *options, "--stack", stack],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        message = f"pulumi can't be run: {error.strerror}"
        raise EngineError(message) from None
    except subprocess.TimeoutExpired:
        message = f"no answer within {_TIMEOUT_S} s"
        raise EngineError(message) from None
    if ran.returncode not in {0, _CHANGES}:
        raise EngineError(_reason(ran.stdout, ran.stderr))
    preview = json.loads(ran.stdout)
    replaced = frozenset(step["urn"] for step in preview.get("steps") or () if step["op"] in _ANEW)
    return Preview(tuple(sorted(differences(preview))), replaced)


def known_ids(stack: str) -> dict[str, str]:
    """Return the ids of the resources that the engine made, by urn; none where it has no state."""
    argv = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"]
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    state = json.loads(ran.stdout) if ran.returncode == 0 else {}
    resources = (state.get("deployment") or {}).get("resources") or ()
    return {one["urn"]: str(one.get("id", "")) for one in resources}


def differences(preview: Mapping[str, Any]) -> Iterator[Difference]:
    """Return what a preview's JSON would change, property by property; values only where they can be no secret."""
    for step in preview.get("steps") or ():
        if step["op"] in _QUIET or "::pulumi:providers:" in step["urn"]:
            continue
        new, old = step.get("newState") or {}, step.get("oldState") or {}
        host = str((new or old).get("provider", "")).rpartition("::docker-")[2].partition("::")[0]
        for aspect, declared, seen in _rows(step, new.get("inputs") or {}, old.get("outputs") or {}):
            what = step["urn"].rpartition("::")[2]
            yield Difference(host or NOTHING, what, aspect, declared, seen, Wins.DECLARED, step["urn"])


def _rows(step: Mapping[str, Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    if step["op"] == "create":
        yield "engine's preview", "there", "not there"
    elif step["op"] == "delete":
        yield "engine's preview", NOTHING, "there: `up` would remove it"
    else:
        names = {name.partition("[")[0].partition(".")[0] for name in step.get("detailedDiff") or ()}
        for name in sorted(names):
            told = f": `up` would {step['op']} it"
            yield f"engine's preview: {name}", _value(name, inputs), _value(name, outputs, "differs") + told
        if not names:
            # What it depends on is made anew.
            yield "engine's preview", "as declared", f"differs: `up` would {step['op']} it"


def _value(name: str, state: Mapping[str, Any], hidden: str = "as declared") -> str:
    """Return a value that people may read: numbers and flags, and texts of a few properties."""
    value = state.get(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "none"
    return str(value) if isinstance(value, int | float) or (isinstance(value, str) and name in _PLAIN) else hidden


def _reason(out: str, said: str) -> str:
    """Return the errors among a failed preview's diagnostics, or what it printed."""
    try:
        diagnostics = json.loads(out).get("diagnostics") or ()
    except ValueError:
        diagnostics = ()
    errors = [str(one.get("message", "")).strip() for one in diagnostics if one.get("severity") == "error"]
    return " ".join((" ".join(errors) or said or out).split())[:_SAID]
