"""What the engine sees: a preview that refreshes first, read from its JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.drift.difference import Difference, Wins

_TIMEOUT_S: Final = 900
# With --expect-no-changes; the preview itself went well.
_CHANGES: Final = 7
_SAID: Final = 600
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
    """Return what a preview's JSON would change, without any value: inputs may hold secrets."""
    for step in preview.get("steps") or ():
        if step["op"] == "same" or "::pulumi:providers:" in step["urn"] or step["op"] == "refresh":
            continue
        state = step.get("newState") or step.get("oldState") or {}
        host = str(state.get("provider", "")).rpartition("::docker-")[2].partition("::")[0]
        properties = sorted({name.partition("[")[0].partition(".")[0] for name in step.get("detailedDiff") or ()})
        declared = "there" if step["op"] == "create" else ", ".join(properties) or "as declared"
        seen = "not there" if step["op"] == "create" else f"differs: `up` would {step['op']} it"
        what = step["urn"].rpartition("::")[2]
        yield Difference(host or "-", what, "engine's preview", declared, seen, Wins.DECLARED, step["urn"])


def _reason(out: str, said: str) -> str:
    """Return the errors among a failed preview's diagnostics, or what it printed."""
    try:
        diagnostics = json.loads(out).get("diagnostics") or ()
    except ValueError:
        diagnostics = ()
    errors = [str(one.get("message", "")).strip() for one in diagnostics if one.get("severity") == "error"]
    return " ".join((" ".join(errors) or said or out).split())[:_SAID]
