"""Series as the programs write them, for cases of alerts."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.unit.monitoring.stack import HERE, THERE

WARNING = {"severity": "warning"}
CRITICAL = {"severity": "critical"}
SHORT = "20m"
ON_CHAT_0 = {"model_name": "chat", "instance": "chat-0"}


@dataclass(frozen=True)
class Case:
    """`labels` and `summary` are those of the one alert that is wanted after `at`; without a summary there must be silence.

    Every series has one sample per 15 s; of a case that takes hours, one per 2 min.
    """

    alert: str
    what: str
    series: dict[str, str]
    summary: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    at: str = SHORT

    @property
    def interval(self) -> str:
        """Time between two samples, and between two evaluations."""
        return "15s" if self.at == SHORT else "2m"

    @property
    def name(self) -> str:
        return f"{self.alert}, {self.what}"


def series(metric: str, **labels: str) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{metric}{{{inside}}}"


def up(job: str, instance: str, host: str = HERE) -> str:
    return series("up", job=job, instance=instance, host=THERE if instance in {"chat-1", "amd-exporter"} else host)


def engine(metric: str, model: str = "chat", instance: str = "chat-0") -> str:
    return series(f"vllm:{metric}", engine="0", job="vllm", instance=instance, model_name=model)


def supervised(metric: str, instance: str = "chat-0", **labels: str) -> str:
    return series(f"hearth_engine_{metric}", job="supervision", instance=instance, **labels)
