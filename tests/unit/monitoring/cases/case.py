"""What a case is, and how its series are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.unit.monitoring.watched import target_labels


@dataclass(frozen=True)
class Case:
    """Series, and the one alert that they must raise; without a summary there must be silence.

    `labels` are the alert's without its severity; it is wanted once for each of `severities`. Series have a sample every
    `interval`, and what fires is looked at after `at`.
    """

    alert: str
    what: str
    series: Mapping[str, str]
    summary: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    severities: tuple[str, ...] = ("warning",)
    at: str = "20m"
    interval: str = "15s"

    @property
    def name(self) -> str:
        return f"{self.alert}, {self.what}"


def of(job: str, instance: str, metric: str, **more: str) -> str:
    """A series of a target, with all the labels that Prometheus gives it."""
    return selector(metric, {**target_labels(job, instance), **more})


def up(job: str, instance: str) -> str:
    return of(job, instance, "up")


def selector(metric: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{metric}{{{inside}}}"
