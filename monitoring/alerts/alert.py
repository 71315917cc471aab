"""What an alert is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from monitoring.subjects import Tuning

CRITICAL: Final = "critical"  # users feel it now: somebody is woken
WARNING: Final = "warning"  # somebody looks at it in working hours
MODEL: Final = "{{ $labels.model_name }}"
ENGINE: Final = f"{MODEL} on {{{{ $labels.instance }}}}"
INSTANCE: Final = "{{ $labels.instance }}"
HOST: Final = "{{ $labels.host }}"
SHARE: Final = "{{ $value | humanizePercentage }}"
DURATION: Final = "{{ $value | humanizeDuration }}"

_MINUTE_S: Final = 60


@dataclass(frozen=True)
class Alert:
    """One alert: fires when `expression` has held for `hold_s` seconds.

    `summary` may name labels and the value; `description` says what users feel, the same text every time.
    """

    name: str
    expression: str
    hold_s: float
    severity: str
    summary: str
    description: str

    @property
    def hold(self) -> str:
        """Return the time as Prometheus writes it."""
        whole = round(self.hold_s)
        return f"{whole // _MINUTE_S}m" if whole % _MINUTE_S == 0 else f"{whole}s"

    def tuned(self, tuning: Tuning) -> Alert | None:
        """Return the alert as people want it; None when they want it off."""
        if not tuning.enabled:
            return None
        hold_s = self.hold_s if tuning.hold_s is None else tuning.hold_s
        return replace(self, hold_s=hold_s, severity=tuning.severity or self.severity)


def minutes(number: float) -> float:
    """Return seconds."""
    return number * _MINUTE_S
