"""Plan against observed: whether the ledger was right."""

from __future__ import annotations

from monitoring.boards import Board, Panel, Row
from monitoring.panels import bars, lines
from monitoring.queries import cards, engines, planned
from monitoring.selectors import AMD, NVIDIA
from monitoring.subjects import Subjects


def build(subjects: Subjects) -> Board:
    """Return the dashboard; a figure that the plan hasn't got for any engine has no panel."""
    known = subjects.engines
    pool = (kv_tokens_bars(), concurrency_bars(), kv_difference_lines()) if any(one.kv_tokens for one in known) else ()
    memory = [memory_bars()] if any(one.memory_bytes for one in known) else []
    memory += [weights_bars()] if any(one.cards and one.weights_bytes for one in known) else []
    memory += [nvidia_bars()] if subjects.has(NVIDIA) else []
    memory += [amd_bars()] if subjects.has(AMD) else []
    rows = (
        Row("KV cache", pool),
        Row("Starts", (start_bars(), starts_lines(), states_lines())),
        Row("Memory", tuple(memory)),
    )
    return Board("plan", "Hearth: plan against observed", tuple(row for row in rows if row.panels))


def kv_tokens_bars() -> Panel:
    """KV tokens."""
    about = "Planned with its bounds, and what the engine printed at its start."
    return bars(
        "KV cache, tokens", "short", about,
        (planned.planned("kv_cache_tokens"), "{{instance}} planned"),
        (planned.planned("kv_cache_tokens_low"), "{{instance}} at least"),
        (planned.planned("kv_cache_tokens_high"), "{{instance}} at most"),
        (engines.supervised("kv_cache_tokens"), "{{instance}} observed"),
    )  # fmt: skip


def concurrency_bars() -> Panel:
    """Requests of the whole context at once."""
    about = "How many requests of the whole context fit at once."
    plan, seen = planned.planned("max_concurrency"), engines.supervised("max_concurrency")
    return bars("Full-length requests", "short", about, (plan, "{{instance}} planned"), (seen, "{{instance}} observed"))


def kv_difference_lines() -> Panel:
    """Difference of KV tokens."""
    about = "Above 0: more tokens than planned. `python -m infra observe --save` lets the next plan use what was seen."
    return lines("KV cache, observed less planned", "percentunit", about, (planned.kv_difference(), "{{instance}}"))


def start_bars() -> Panel:
    """Time of the last start."""
    about = "The last start, and the time after which it would have counted as hung."
    plan, seen = planned.planned("start_timeout_seconds"), engines.supervised("start_seconds")
    return bars("Start", "s", about, (plan, "{{instance}} at most"), (seen, "{{instance}} observed"))


def starts_lines() -> Panel:
    """Starts so far."""
    about = "Grows with each restart of an engine inside its container."
    return lines("Starts", "short", about, (engines.supervised("starts_total"), "{{instance}}"))


def states_lines() -> Panel:
    """State of engines."""
    about = "What each entry point says of its engine."
    states = ("queued", "starting", "running", "waiting", "failed")
    return lines("State", "short", about, (engines.in_state(*states), "{{instance}} {{state}}"))


def memory_bars() -> Panel:
    """RAM of CPU engines' containers."""
    about = "RAM of engines on CPU: planned for weights, cache and the program, and in use now."
    plan, seen = planned.planned("memory_bytes"), engines.supervised("memory_bytes")
    return bars("RAM", "bytes", about, (plan, "{{instance}} planned"), (seen, "{{instance}} observed"))


def weights_bars() -> Panel:
    """Weights on a card."""
    about = "Of one card, where a model is spread over several."
    plan, seen = planned.planned("weights_bytes"), engines.supervised("weights_bytes")
    return bars("Weights", "bytes", about, (plan, "{{instance}} planned"), (seen, "{{instance}} observed"))


def nvidia_bars() -> Panel:
    """Memory of NVIDIA cards."""
    return _cards("NVIDIA cards, memory", "nvidia", cards.dcgm_memory_used(), "gpu")


def amd_bars() -> Panel:
    """Memory of AMD cards."""
    return _cards("AMD cards, memory", "amd", cards.amd_memory_used(), "gpu_id")


def _cards(title: str, vendor: str, used: str, label: str) -> Panel:
    plan = f'hearth_plan_card_bytes{{vendor="{vendor}"}}'
    about = "What the plan's engines ask of each card together, and what is taken."
    return bars(
        title, "bytes", about, (plan, "{{host}} {{card}} planned"), (used, f"{{{{host}}}} {{{{{label}}}}} used")
    )
