"""The comment that a reviewer reads, as Markdown."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from infra.plan import Plan, plan_text
from infra.review.changes import Change
from infra.review.effects import ENGINE_SETTINGS, RULES, alert_changes, flag_changes

# GitHub refuses comments of 65,536 characters, GitLab notes of a million.
MOST_CHARACTERS: Final = 65_000
_FILE_LINES: Final = 120
_CODE: Final = "/opt/hearth/"
# As Pulumi marks them.
_MARKS: Final = {"replace": "+-", "create": "+", "delete": "-", "update": "~"}
_KINDS: Final = {"RemoteImage": "image", "Volume": "volume", "Network": "network"}
_MINUTE_S: Final = 60


@dataclass(frozen=True)
class Section:
    """One part of the comment; parts that don't fit are left out from the end, and named."""

    title: str
    text: str


def marker(stack: str) -> str:
    """Return the hidden line by which a comment is found again, to be written over."""
    return f"<!-- hearth review of {stack} -->"


def comment(stack: str, sections: Sequence[Section]) -> str:
    """Join sections, as many as a comment may hold."""
    text, left_out = f"{marker(stack)}\n### Hearth: `{stack}`\n", []
    for section in sections:
        part = (
            f"\n#### {section.title}\n\n{section.text.rstrip()}\n" if section.title else f"\n{section.text.rstrip()}\n"
        )
        if len(text) + len(part) > MOST_CHARACTERS:
            left_out.append(section.title)
        else:
            text += part
    return text + (f"\nLeft out, because a comment can't be longer: {', '.join(left_out)}.\n" if left_out else "")


def sections(
    plan: Plan, changes: Sequence[Change], findings: Sequence[str], broken: Sequence[str]
) -> Iterator[Section]:
    """Yield the parts of the comment, what must be seen first."""
    yield Section("", "\n\n".join([*_dangers(changes), _verdict(plan, changes)]))
    if changes:
        yield Section("What changes", _table(plan, changes))
    flags = flag_changes(changes)
    if flags:
        rows = [f"| {one.engine} | `{one.flag}` | {_cell(one.before)} | {_cell(one.after)} |" for one in flags]
        yield Section(
            "Flags of engines", "\n".join(["| engine | flag | now | then |", "| --- | --- | --- | --- |", *rows])
        )
    alerts = alert_changes(changes)
    if alerts:
        yield Section("Alerts", "\n".join(f"- **{one.name}** {one.what}" for one in alerts))
    if broken:
        yield Section("Policies", "\n".join(f"- {one}" for one in broken))
    if findings:
        yield Section("Findings", "\n".join(f"- {one}" for one in findings))
    if plan.costs:
        rows = [f"- {one.model}: {one.cost_per_day:,.2f} per day" for one in plan.costs]
        yield Section("Cost", "\n".join(rows))
    yield Section("Ledger", _folded("every card and engine", plan_text(plan), "text"))
    files = "\n".join(_diffs(changes))
    if files:
        yield Section("Files", files)


def _dangers(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes:
        if change.kind == "Volume" and change.operation in {"replace", "delete"}:
            yield f"> [!CAUTION]\n> **{change.name}** on {change.host} holds data, and would be {change.operation}d."


def _verdict(plan: Plan, changes: Sequence[Change]) -> str:
    if not changes:
        return "**Nothing changes.**"
    containers = [change for change in changes if change.kind == "Container"]
    counts = {operation: sum(change.operation == operation for change in containers) for operation in _MARKS}
    told = ", ".join(f"{count} {operation}d" for operation, count in counts.items() if count) or "none"
    other = len(changes) - len(containers)
    away = [(limit_s, change.name) for change in containers if (limit_s := _limit_s(plan, change))]
    longest = max(away, default=None)
    text = f"**Containers: {told}.**" + (f" Other resources: {other}." if other else "")
    if longest is not None:
        text += f" Longest away: {longest[1]}, at most {_minutes(longest[0])}."
    return text


def _table(plan: Plan, changes: Sequence[Change]) -> str:
    lines = ["| | what | host | why | away |", "| --- | --- | --- | --- | --- |"]
    for change in changes:
        name = change.name if change.kind == "Container" else f"{_KINDS.get(change.kind, change.kind)} {change.name}"
        cells = (
            f"`{_MARKS.get(change.operation, change.operation)}`",
            name,
            change.host,
            _why(change),
            _away(plan, change),
        )
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines)


def _why(change: Change) -> str:
    if change.operation in {"create", "delete"}:
        return {"create": "new", "delete": "no longer declared"}[change.operation]
    files = [f"`{file.path}`" for file in change.files if not file.path.startswith(_CODE)]
    code = any(file.path.startswith(_CODE) for file in change.files)
    secrets = [f"the secret {name}" for name in change.secrets]
    # Labels hold a digest of the files: they say nothing that these don't.
    others = [name for name in change.properties if name not in {"uploads", "labels"}]
    return ", ".join([*others, *files, *(["Hearth's own programs"] if code else []), *secrets]) or ", ".join(
        change.properties
    )


def _limit_s(plan: Plan, change: Change) -> float | None:
    """Return how long an engine that exists may be away at most; None for what is back within seconds."""
    placement = next((one for one in plan.placements if one.instance == change.name), None)
    if placement is None or change.operation != "replace":
        return None
    return placement.start_timeout_s + placement.restart.timeout_stop_s


def _away(plan: Plan, change: Change) -> str:
    if change.kind != "Container" or change.operation in {"create", "update"}:
        return "-"
    if change.operation == "delete":
        return "for good"
    limit_s = _limit_s(plan, change)
    if limit_s is None:
        return "seconds"
    model = next(one.model for one in plan.placements if one.instance == change.name)
    others = len(plan.of_model(model)) - 1
    return f"at most {_minutes(limit_s)}" + (f"; {others} other replicas serve" if others else "")


def _minutes(duration_s: float) -> str:
    return f"{duration_s / _MINUTE_S:.0f} min" if duration_s >= _MINUTE_S else f"{duration_s:.0f} s"


def _diffs(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes:
        for file in change.files:
            if file.path.startswith((_CODE, RULES)) or file.path == ENGINE_SETTINGS:
                continue
            old, new = (file.before or "").splitlines(), (file.after or "").splitlines()
            lines = list(difflib.unified_diff(old, new, "now", "then", lineterm="", n=1))
            more = [f"… and {len(lines) - _FILE_LINES} lines"] if len(lines) > _FILE_LINES else []
            yield _folded(f"{change.name}: {file.path}", "\n".join([*lines[:_FILE_LINES], *more]), "diff")


def _folded(title: str, text: str, language: str) -> str:
    return f"<details><summary>{title}</summary>\n\n```{language}\n{text}\n```\n\n</details>"


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
