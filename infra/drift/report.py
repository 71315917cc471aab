"""The report on drift, as text, JSON and Markdown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from infra.drift.difference import Difference


@dataclass(frozen=True)
class Report:
    """All that was found. `problems` are what couldn't be asked, by host, or `engine`."""

    stack: str
    hosts: tuple[str, ...]
    differences: tuple[Difference, ...]
    problems: dict[str, str]
    uncompared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it for machines, with the repair of each difference."""
        rows = [
            {**asdict(one), "wins": one.wins.name.lower(), "repair": one.repair(self.stack)} for one in self.differences
        ]
        return {**asdict(self), "differences": rows, "is_clean": not self.differences and not self.problems}

    def headline(self) -> str:
        """Say it in one line."""
        asked = f"{len(self.hosts)} host{'s' * (len(self.hosts) != 1)}"
        if self.differences:
            return f"{self.stack}: {len(self.differences)} difference{'s' * (len(self.differences) != 1)} on {asked}"
        if self.problems:
            return f"{self.stack}: not all could be asked"
        return f"{self.stack}: what runs is what is declared, on {asked}"


def text(report: Report, *, explain: bool) -> str:
    """Return the report for a terminal."""
    lines = [report.headline()]
    for host in dict.fromkeys(one.host for one in report.differences):
        lines.append(f"{host}")
        for one in (one for one in report.differences if one.host == host):
            lines.append(f"  {one.what}: {one.aspect}: declared {one.declared}, seen {one.seen}")
            lines += [f"    {line}" for line in _explained(one, report.stack)] if explain else []
    lines += [f"{where} couldn't be asked: {problem}" for where, problem in report.problems.items()]
    lines += [f"not compared: {what}" for what in report.uncompared]
    lines += [f"note: {what}" for what in report.notes] if explain else []
    return "\n".join(lines)


def markdown(report: Report) -> str:
    """Return the report for an issue or a pull request."""
    lines = [f"### Drift of `{report.stack}`", "", f"{report.headline()}."]
    if report.differences:
        lines += ["", "| host | what | aspect | declared | seen | repair |", "| --- | --- | --- | --- | --- | --- |"]
        for one in report.differences:
            cells = (one.host, one.what, one.aspect, one.declared, one.seen, f"`{one.repair(report.stack)}`")
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    lines += ["", *(f"- **{where} couldn't be asked:** {_cell(said)}" for where, said in report.problems.items())]
    lines += [f"- not compared: {_cell(what)}" for what in report.uncompared]
    return "\n".join(lines).rstrip() + "\n"


def _explained(one: Difference, stack: str) -> list[str]:
    adopt = [f"to adopt: {one.adopt}"] if one.adopt else []
    return [f"wins at the next up: {one.wins}", f"to repair: {one.repair(stack)}", *adopt]


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
