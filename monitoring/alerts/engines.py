"""Alerts of engines: down, out of starts, slow, full, and other than planned."""

from __future__ import annotations

from monitoring.alerts.alert import CRITICAL, DURATION, ENGINE, INSTANCE, MODEL, SHARE, WARNING, Alert, minutes
from monitoring.queries import engines, planned
from monitoring.selectors import KV_NEARLY_FULL, PREEMPTIONS_PER_S


def life() -> list[Alert]:
    """Return what the life of an engine gives cause to say."""
    return [
        Alert(
            "EngineDown", engines.not_serving(), minutes(1), CRITICAL,
            f"{INSTANCE} doesn't answer, and this isn't its first start",
            "Requests to it fail, or go to the other replicas.",
        ),
        Alert(
            "EngineFailed", engines.failed(), 0, CRITICAL, f"{INSTANCE} is out of starts: {{{{ $labels.cause }}}}",
            "It isn't started again by itself. Its requests fail, or go to the other replicas.",
        ),
        Alert(
            "EngineCrashLooping", engines.looping(), 0, CRITICAL,
            f"{INSTANCE} has started {{{{ $value }}}} times anew in a quarter of an hour",
            "It serves between two crashes, and loses the requests of each.",
        ),
        Alert(
            "EngineRestarted", engines.restarted(), 0, WARNING, f"{INSTANCE} has restarted",
            "The requests that it worked on were lost.",
        ),
        Alert(
            "EngineStartSlow", engines.start_overdue(), 0, WARNING, f"{INSTANCE} has been starting for {DURATION}",
            "It is late. When the plan's time is over its start is cut and tried again.",
        ),
        Alert(
            "EngineStalled", engines.stalled(), 0, CRITICAL, f"{INSTANCE} has requests and got nothing done for {DURATION}",
            "Its answers hang. It may still call itself healthy.",
        ),
    ]  # fmt: skip


def load() -> list[Alert]:
    """Return what tells that an engine has more to do than it can."""
    return [
        Alert(
            "EngineQueueGrowing", engines.queue_over_batch(), minutes(5), WARNING,
            f"{{{{ $value }}}} requests wait for {MODEL}, more than its engines work on at once",
            "Answers begin late, and later with every request.",
        ),
        Alert(
            "EngineKvNearlyFull", f"{engines.kv_use()} > {KV_NEARLY_FULL}", minutes(10), WARNING,
            f"the KV cache of {ENGINE} is {SHARE} full", "New requests wait, and running ones may be pushed out.",
        ),
        Alert(
            "EnginePreempting", f"{engines.preemptions()} > {PREEMPTIONS_PER_S}", minutes(10), WARNING,
            f"{ENGINE} pushes running requests out of its cache",
            "Work is done twice: answers stutter and take longer.",
        ),
    ]  # fmt: skip


def apart() -> list[Alert]:
    """Return what tells that an engine isn't as the ledger said."""
    return [
        Alert(
            "PlanAndEngineApart", planned.kv_apart(), minutes(5), WARNING,
            f"{INSTANCE} has room for {{{{ $value | humanize }}}} tokens, and its plan said something else",
            "Fewer: users wait sooner than planned. More: the card may be shared otherwise than declared.",
        ),
    ]  # fmt: skip
