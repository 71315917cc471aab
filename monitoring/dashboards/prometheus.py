"""Prometheus itself: whether what is shown elsewhere can be believed."""

from __future__ import annotations

from monitoring.boards import Board, Panel, Row
from monitoring.panels import lines, table
from monitoring.queries import programs
from monitoring.selectors import ALERTMANAGER
from monitoring.subjects import Subjects


def build(subjects: Subjects) -> Board:
    """Return the dashboard."""
    alerts = (sent_lines(), lost_lines()) if subjects.has(ALERTMANAGER) else ()
    rows = (
        Row("Scrapes", (targets_lines(), scrape_lines(), samples_lines())),
        Row("Store", (series_lines(), storage_lines())),
        Row("Rules and alerts", (rules_lines(), failures_lines(), firing_table(), *alerts)),
    )
    return Board("prometheus", "Hearth: Prometheus", rows)


def targets_lines() -> Panel:
    """Targets that answer."""
    return lines("Targets up", "percentunit", "By kind of program.", (programs.targets_up_share(), "{{job}}"))


def scrape_lines() -> Panel:
    """Time of a scrape."""
    about = "The slowest target of each kind."
    return lines("Time of a scrape", "s", about, (programs.scrape_seconds(), "{{job}}"))


def samples_lines() -> Panel:
    """Samples per second."""
    about = "What is taken in."
    return lines("Samples per second", "short", about, (programs.samples_per_s(), "{{instance}}"))


def series_lines() -> Panel:
    """Series in memory."""
    about = "Each takes some kilobytes of RAM. A steady climb: labels that never repeat."
    return lines("Series in memory", "short", about, (programs.series(), "{{instance}}"))


def storage_lines() -> Panel:
    """Bytes on disk."""
    about = "Blocks; the last two hours aren't in one yet."
    return lines("Stored", "bytes", about, (programs.storage_bytes(), "{{instance}}"))


def rules_lines() -> Panel:
    """Time of the rules."""
    return lines(
        "Time of the rules", "s", "Last evaluation of each group.", (programs.rule_seconds(), "{{rule_group}}")
    )


def failures_lines() -> Panel:
    """Rules that failed."""
    about = "Any: some alerts are blind."
    return lines("Failed evaluations per second", "short", about, (programs.rule_failures(), "{{instance}}"))


def firing_table() -> Panel:
    """Alerts that fire."""
    return table(
        "Firing now", "short", "The Watchdog always does.", (programs.firing_by_name(), "{{alertname}} {{severity}}")
    )


def sent_lines() -> Panel:
    """Messages to people."""
    about = "By the way they go."
    return lines("Messages per second", "short", about, (programs.notifications("total"), "{{integration}}"))


def lost_lines() -> Panel:
    """Messages that reached nobody."""
    about = "Any: somebody isn't told."
    return lines(
        "Failed messages per second", "short", about, (programs.notifications("failed_total"), "{{integration}}")
    )
