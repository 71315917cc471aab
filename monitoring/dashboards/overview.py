"""Overview: is it up, how fast, how full, who uses it."""

from __future__ import annotations

from monitoring.boards import Board, Panel, Row
from monitoring.dashboards.gateway import requests_lines, users_lines
from monitoring.panels import lamp, lines, number
from monitoring.queries import cards, engines, gateway, hosts, programs
from monitoring.selectors import ENGINES, FRONT_DOOR, GATEWAY, NODE, NVIDIA, PROBES, UI
from monitoring.subjects import Subjects


def build(subjects: Subjects) -> Board:
    """Return the dashboard; what no program tells has no panel."""
    has = subjects.has
    chats = has(ENGINES) and bool(subjects.chat_models)
    probed = {target.labels.get("service") for job in subjects.jobs if job.name == PROBES for target in job.targets}
    others = {job.name for job in subjects.jobs} - {ENGINES, GATEWAY, PROBES}
    rows = (
        _row(
            "Is it up",
            [engines_lamp()] if has(ENGINES) else [],
            [gateway_lamp()] if has(GATEWAY) else [],
            [clients_lamp()] if probed & {UI, FRONT_DOOR} else [],
            [others_lamp()] if others else [],
            [alerts_number()],
        ),
        _row(
            "How fast",
            [first_token_lines(), tokens_lines()] if chats else [],
            [requests_lines()] if has(GATEWAY) else [],
        ),
        _row(
            "How full",
            [kv_lines(), waiting_lines()] if has(ENGINES) else [],
            [cards_lines()] if has(NVIDIA) else [],
            [memory_lines(), disk_lines()] if has(NODE) else [],
        ),
        _row("Who uses it", [users_lines()] if has(GATEWAY) else []),
    )
    return Board("overview", f"Hearth {subjects.stack}: overview", tuple(row for row in rows if row.panels))


def engines_lamp() -> Panel:
    """Engines that answer."""
    return lamp("Engines", "Engines that answer their scrape.", programs.up(ENGINES), "{{instance}}")


def gateway_lamp() -> Panel:
    """The gateway."""
    return lamp("Gateway", "The gateway answers its scrape.", programs.up(GATEWAY), "{{instance}}")


def clients_lamp() -> Panel:
    """What a client without a key sees."""
    about = "Pages that a client without a key can open: UI, front door, and their public address."
    return lamp("As clients see it", about, gateway.probe("success"), "{{instance}}")


def others_lamp() -> Panel:
    """Exporters and monitoring itself."""
    about = "Users feel nothing when one of these is down; what it watches is missing."
    return lamp("Watchers", about, f'min by (job) (up{{job!~"{ENGINES}|{GATEWAY}|{PROBES}"}})', "{{job}}")


def alerts_number() -> Panel:
    """How many alerts fire."""
    return number("Alerts firing", "short", "Without the one that always fires.", programs.firing())


def first_token_lines() -> Panel:
    """Time to first token."""
    about = "Nineteen of twenty requests have their first token within this time."
    return lines("Time to first token, p95", "s", about, (engines.TTFT_RECORD, "{{model_name}}"))


def tokens_lines() -> Panel:
    """Tokens written per second."""
    about = "All replicas of a model together."
    return lines("Tokens written per second", "short", about, (engines.TOKENS_RECORD, "{{model_name}}"))


def kv_lines() -> Panel:
    """KV cache in use."""
    about = "At 100 % new requests wait, and running ones may be pushed out."
    return lines("KV cache in use", "percentunit", about, (engines.kv_use(), "{{instance}}"))


def waiting_lines() -> Panel:
    """Requests that wait."""
    about = "Requests that an engine has taken and not begun."
    return lines("Requests waiting", "short", about, (engines.waiting(), "{{instance}}"))


def cards_lines() -> Panel:
    """Memory of cards."""
    about = "vLLM takes its share at start and keeps it: nearly full is normal."
    return lines("Card memory used", "bytes", about, (cards.dcgm_memory_used(), "{{host}} {{gpu}}"))


def memory_lines() -> Panel:
    """Memory that is left."""
    about = "What programs can still get. Below 5 % the kernel ends the largest: an engine."
    return lines("Memory left", "percentunit", about, (hosts.memory_free_share(), "{{host}}"))


def disk_lines() -> Panel:
    """Disk that is left."""
    about = "Models and images come in tens of gigabytes."
    return lines("Disk left", "percentunit", about, (hosts.disk_free_share(), "{{host}} {{device}}"))


def _row(title: str, *groups: list[Panel]) -> Row:
    return Row(title, tuple(panel for group in groups for panel in group))
