"""`python -m infra silence`: nobody is told while somebody works on a host.

Exit codes: 0 done, 1 the stack or its Alertmanager can't be asked, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from infra.config.load import read_stack_file
from infra.config.types import DurationS
from infra.pipeline import PROJECT, Built, build
from infra.targets.docker.connection import Connection
from infra.targets.docker.mapping import Names
from infra.targets.docker.silence import AUTHOR, NotSilencedError, Silencer, silencer_of

# The alert that always fires tells a dead man's switch that alerting works: silenced, it would raise the alarm.
_ALL: Final = "alertname!=Watchdog"


def main_silence(arguments: Sequence[str]) -> int:
    """Run the command; see the module."""
    options = _options(arguments)
    written, found = read_stack_file(Path.cwd(), options.stack)
    built, findings = build(written, options.stack, found)
    if built is None:
        print("\n".join(f"error: {finding}" for finding in sorted(set(findings))), file=sys.stderr)
        return 1
    problem = _unknown(built, options.instance)
    silencer = _silencer(built)
    if silencer is None:
        problem = f"{options.stack}: has no Alertmanager. Enable hearth:monitoring.alertmanager."
    if problem or silencer is None:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    try:
        answer = _do(silencer, options)
    except NotSilencedError as error:
        print(f"error: {error}. Is the stack up? `make up STACK={options.stack}`", file=sys.stderr)
        return 1
    print(json.dumps(answer) if options.json else _text(answer))
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra silence", description=__doc__)
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--for", dest="duration", type=_seconds, metavar="TIME", help="silence for so long, as in 30min")
    what.add_argument(
        "--end", action="store_true", help="end now what this command and deploys have silenced; people's own stay"
    )
    what.add_argument("--list", action="store_true", help="list the silences in force")
    parser.add_argument(
        "--instance", action="append", default=[], help="this instance alone; may be given several times"
    )
    parser.add_argument("--comment", default="planned work", help="why (default: planned work)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    try:
        duration_s = float(TypeAdapter(DurationS).validate_python(text))
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    # amtool is told whole seconds.
    if duration_s < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than a second; write more, as in 30min")
    return duration_s


def _silencer(built: Built) -> Silencer | None:
    connections = {name: Connection.to(name, host) for name, host in built.config.inventory.hosts.items()}
    return silencer_of(built.workloads, Names(PROJECT, built.plan.stack), connections)


def _unknown(built: Built, instances: Sequence[str]) -> str:
    known = {workload.instance for workload in built.workloads}
    unknown = sorted(set(instances) - known)
    return (
        f"--instance: no {', '.join(unknown)} in this stack. Name one of: {', '.join(sorted(known))}."
        if unknown
        else ""
    )


def _do(silencer: Silencer, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Do what is asked for, and return the silences in force after it."""
    if options.end:
        silencer.end([str(silence["id"]) for silence in silencer.active() if _is_meant(silence, options.instance)])
    elif options.duration is not None:
        chosen = [f"instance={name}" for name in options.instance] or [_ALL]
        for matcher in chosen:
            silencer.add([matcher], options.duration, options.comment)
    return [
        {
            "id": str(silence["id"]),
            "until": str(silence["endsAt"]),
            "by": str(silence["createdBy"]),
            "comment": str(silence["comment"]),
            "matchers": [_matcher(matcher) for matcher in silence["matchers"]],
        }
        for silence in silencer.active()
    ]


def _is_meant(silence: dict[str, Any], instances: Sequence[str]) -> bool:
    """Whether a silence is Hearth's own, and of one of the instances where some are named."""
    told = [_matcher(matcher) for matcher in silence["matchers"]]
    wanted = [[f"{label}={name}"] for name in instances for label in ("instance", "model_name")]
    return silence["createdBy"] == AUTHOR and (not instances or told in wanted)


def _matcher(matcher: dict[str, Any]) -> str:
    is_equal, is_regex = matcher.get("isEqual", True), matcher["isRegex"]
    sign = ("=~" if is_regex else "=") if is_equal else ("!~" if is_regex else "!=")
    return f"{matcher['name']}{sign}{matcher['value']}"


def _text(answer: list[dict[str, Any]]) -> str:
    if not answer:
        return "nothing is silenced"
    return "\n".join(
        f"until {one['until']}  {' '.join(one['matchers'])}  {one['by']}: {one['comment']}" for one in answer
    )
