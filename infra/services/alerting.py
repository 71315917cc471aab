"""What people may say of objectives and alerts, and what of it can't be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from pydantic import Field

import monitoring
from infra.config.load import nearest
from infra.config.types import DurationS, Model
from infra.errors import Finding
from monitoring.alerts import alerts

# The bounds of vLLM's histograms (vllm/v1/metrics/loggers.py, the same from 0.8 to 0.32): what lies between two of them
# can't be counted.
FIRST_TOKEN_BOUNDS_S: Final = (0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
PER_TOKEN_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
# The fast pair of windows alerts at 14.4 times the share that may be late: of more than 1/14.4 it never could.
_LEAST_SHARE: Final = 0.94


class ObjectiveSettings(Model):
    """hearth:monitoring.prometheus.objective: what users are promised; alerts fire when the promise is being broken."""

    first_token: DurationS = Field(
        default=2.5, description="time to the first token, as in 1s (default 2.5s: longer feels like waiting)"
    )
    per_token: DurationS = Field(
        default=0.1, description="time between two tokens, as in 100ms (default 100ms: faster than people read)"
    )
    share: float = Field(
        default=0.95,
        ge=_LEAST_SHARE,
        lt=1,
        description="share of requests, and of tokens, that come within it (default 0.95: one of twenty may be late)",
    )


class AlertSettings(Model):
    """hearth:monitoring.prometheus.alerts.NAME: one alert, as people want it."""

    enabled: bool = Field(default=True, description="whether the alert exists (default yes)")
    hold: DurationS | None = Field(
        default=None, description="how long its condition must hold before it fires, as in 10min"
    )
    severity: Literal["critical", "warning", "info"] | None = Field(
        default=None, description="how loud it is; routes and inhibitions go by it"
    )


def objective(settings: ObjectiveSettings) -> monitoring.Objective:
    """Return the promise as monitoring wants it."""
    return monitoring.Objective(settings.first_token, settings.per_token, settings.share)


def tuning(settings: Mapping[str, AlertSettings]) -> dict[str, monitoring.Tuning]:
    """Return the changes as monitoring wants them."""
    return {name: monitoring.Tuning(one.enabled, one.hold, one.severity) for name, one in settings.items()}


def findings(
    path: str, promised: ObjectiveSettings, changed: Mapping[str, AlertSettings], subjects: monitoring.Subjects
) -> list[Finding]:
    """Return objectives that can't be counted, and changes of alerts that this stack hasn't got."""
    found = [
        Finding(
            f"{path}.objective.{field}",
            f"{value:g} s can't be counted by vLLM's histogram",
            _nearest_bound(value, bounds),
        )
        for field, value, bounds in (
            ("first_token", promised.first_token, FIRST_TOKEN_BOUNDS_S),
            ("per_token", promised.per_token, PER_TOKEN_BOUNDS_S),
        )
        if value not in bounds
    ]
    # As they are before anybody changes them: one that is switched off is known all the same.
    known = {alert.name for alert in alerts(replace(subjects, tuning={}))}
    found += [
        Finding(f"{path}.alerts.{name}", "is no alert of this stack", nearest(name, known))
        for name in changed
        if name not in known
    ]
    return found


def _nearest_bound(value: float, bounds: tuple[float, ...]) -> str:
    close = sorted(sorted(bounds, key=lambda bound: abs(bound - value))[:2])
    return f"set {' or '.join(f'{bound:g}s' for bound in close)}"
