"""Alerts of what users were promised, over two windows each: soon when much is broken, later when a little is for long."""

from __future__ import annotations

from typing import Final

from monitoring.alerts.alert import MODEL, SHARE, Alert, minutes
from monitoring.queries.objectives import BURNS, promises
from monitoring.queries.text import alternatives
from monitoring.subjects import Objective

_ALERTS: Final = {
    "vllm_first_token_late": (
        "FirstTokenLate",
        f"{SHARE} of the requests for {MODEL} wait longer than promised for their first token",
        "Chats feel slow to start.",
    ),
    "vllm_token_late": (
        "TokensLate",
        f"{SHARE} of the tokens of {MODEL} come later than promised",
        "Answers trickle: people read faster than they come.",
    ),
}


def burning(objective: Objective, chat_models: tuple[str, ...]) -> list[Alert]:
    """Return the alerts of each promise, one for each pair of windows."""
    chosen = alternatives("model_name", chat_models)
    return [
        Alert(name, promise.burning(burn, objective.share, chosen), minutes(2), burn.severity, summary, description)
        for promise in promises(objective)
        for name, summary, description in (_ALERTS[promise.record],)
        for burn in BURNS
    ]
