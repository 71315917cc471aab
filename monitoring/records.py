"""What is recorded all the time: what alerts and the overview read over weeks."""

from __future__ import annotations

from collections.abc import Callable

from monitoring.queries import engines, gateway
from monitoring.queries.objectives import WINDOWS, promises
from monitoring.queries.text import alternatives
from monitoring.selectors import ENGINES, GATEWAY
from monitoring.subjects import Subjects
from monitoring.versions import fitting


def records(subjects: Subjects) -> dict[str, str]:
    """Return what alerts and the overview read all the time: name → expression."""
    return _made(subjects, _records(subjects))


def late_shares(subjects: Subjects) -> dict[str, str]:
    """Return which share came later than promised, over every window: name → expression."""
    return _made(subjects, _late_shares(subjects))


def fit(subjects: Subjects) -> Callable[[str], str | None]:
    """Return what gives an expression the names that the engines' version has; see `versions.fitting`.

    A record that isn't made, because it reads what the version hasn't got, is missing like a metric.
    """
    wanted = {**_records(subjects), **_late_shares(subjects)}
    unmade = dict.fromkeys(set(wanted) - set(_made(subjects, wanted)))
    return fitting({**subjects.older_names, **unmade})


def _records(subjects: Subjects) -> dict[str, str]:
    found = {}
    if subjects.has(ENGINES) and subjects.chat_models:
        # vLLM counts a first token for embeddings too, and nobody waits for one.
        chats = alternatives("model_name", subjects.chat_models)
        found[engines.TTFT_RECORD] = engines.ttft(chosen=chats)
        found[engines.TOKENS_RECORD] = engines.generated_tokens(chosen=chats)
    if subjects.has(GATEWAY):
        found[gateway.ERRORS_RECORD] = gateway.error_share()
    return found


def _late_shares(subjects: Subjects) -> dict[str, str]:
    if not subjects.has(ENGINES) or not subjects.chat_models:
        return {}
    chats = alternatives("model_name", subjects.chat_models)
    return {
        promise.late(window): promise.expression(window, chats)
        for promise in promises(subjects.objective)
        for window in WINDOWS
    }


def _made(subjects: Subjects, expressions: dict[str, str]) -> dict[str, str]:
    older = fitting(subjects.older_names)
    found = {name: older(expression) for name, expression in expressions.items()}
    return {name: expression for name, expression in found.items() if expression is not None}
