"""Alerts of machines and their cards."""

from __future__ import annotations

from collections.abc import Iterable

from monitoring.alerts.alert import CRITICAL, HOST, SHARE, WARNING, Alert, minutes
from monitoring.queries import cards, hosts
from monitoring.selectors import AMD, DISK_FREE_SHARE, MEMORY_FREE_SHARE, NVIDIA
from monitoring.subjects import Subjects

_VENDORS = (("nvidia", NVIDIA), ("amd", AMD))
# Each maker's exporter numbers its cards under a name of its own.
_CARD = f"card {{{{ or $labels.gpu $labels.gpu_id }}}} of {HOST}"


def machines() -> list[Alert]:
    """Return the alerts of every machine that is watched."""
    return [
        Alert(
            "DiskFilling", f"{hosts.disk_free_share()} < {DISK_FREE_SHARE}", minutes(10), WARNING,
            f"{{{{ $labels.device }}}} of {HOST} has {SHARE} left",
            "A full disk ends downloads of models, the database of the UI and the metrics.",
        ),
        Alert(
            "DiskFullSoon", hosts.disk_full_within_a_day(), minutes(60), WARNING,
            f"{{{{ $labels.device }}}} of {HOST} has {SHARE} left and will be full within a day",
            "Nothing yet. A full disk ends downloads, the database of the UI and the metrics.",
        ),
        Alert(
            "MemoryLow", f"{hosts.memory_free_share()} < {MEMORY_FREE_SHARE}", minutes(5), CRITICAL,
            f"{HOST} has {SHARE} of its memory left", "Next the kernel ends the largest program: an engine.",
        ),
        Alert(
            "EndedForMemory", f"{hosts.killed_for_memory()} > 0", 0, WARNING,
            f"the kernel of {HOST} has ended a program for memory", "Its requests were lost; it may happen again.",
        ),
    ]  # fmt: skip


def reachable() -> Alert:
    """Return the alert of a machine of which nothing answers."""
    return Alert(
        "HostDown", hosts.host_down(), minutes(1), CRITICAL, f"nothing on {HOST} answers any more",
        "Everything that ran there is away. This alert stands for all of them.",
    )  # fmt: skip


def hardware(subjects: Subjects) -> list[Alert]:
    """Return the alerts of cards, for the kinds whose exporter runs; one alert for all makers, as users see it."""
    vendors = [vendor for vendor, job in _VENDORS if subjects.has(job)]
    if not vendors:
        return []
    found = [
        Alert(
            "CardHot", _any(cards.hot(vendor) for vendor in vendors), minutes(5), WARNING,
            f"{_CARD} has {{{{ $value }}}} °C", "It slows itself down soon: answers come later.",
        ),
        Alert(
            "CardMemoryErrors", _any(cards.memory_errors(vendor) for vendor in vendors), 0, CRITICAL,
            f"the memory of {_CARD} has errors that couldn't be corrected",
            "An engine on it may crash, or answer wrongly.",
        ),
    ]  # fmt: skip
    planned = [vendor for vendor in vendors if any(card.vendor == vendor for card in subjects.cards)]
    if planned:
        found.append(
            Alert(
                "CardLost", _any(cards.lost(vendor) for vendor in planned), minutes(2), CRITICAL,
                f"card {{{{ $labels.card }}}} of {HOST} is planned and no longer there",
                "Engines on it have ended or will at their next start.",
            )
        )  # fmt: skip
    if subjects.has(NVIDIA):
        found.append(
            Alert(
                "CardFault", cards.faulted(), 0, CRITICAL,
                f"the driver reports fault {{{{ $value }}}} (Xid) of {_CARD}",
                "Engines on it may have crashed or hang.",
            )
        )  # fmt: skip
    return found


def _any(expressions: Iterable[str]) -> str:
    return "\nor ".join(f"({expression})" for expression in expressions)
