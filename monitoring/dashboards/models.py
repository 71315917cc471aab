"""Models: what every engine does."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard, timeseries

from monitoring import queries
from monitoring.panels import board, lines, variable

# What the reader has picked above the dashboard.
CHOSEN: Final = 'model_name=~"$model", instance=~"$instance"'


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    return (
        board("models", "Hearth: models")
        .with_variable(variable("model", "Model", "label_values(vllm:num_requests_running, model_name)"))
        .with_variable(
            variable("instance", "Engine", 'label_values(vllm:num_requests_running{model_name=~"$model"}, instance)')
        )
        .with_row(dashboard.Row("Latency"))
        .with_panel(latency_lines("Time to first token", "time_to_first_token_seconds"))
        .with_panel(latency_lines("Time between tokens", "inter_token_latency_seconds"))
        .with_panel(latency_lines("Whole request", "e2e_request_latency_seconds"))
        .with_row(dashboard.Row("Queue and cache"))
        .with_panel(requests_lines())
        .with_panel(queue_lines())
        .with_panel(kv_lines())
        .with_row(dashboard.Row("Work"))
        .with_panel(tokens_lines())
        .with_panel(prefix_lines())
        .with_panel(preemption_lines())
        .with_panel(finished_lines())
    )


def latency_lines(title: str, metric: str) -> timeseries.Panel:
    """Median and 95th percentile of one histogram."""
    median, high = queries.engine_quantile(metric, 0.5, CHOSEN), queries.engine_quantile(metric, 0.95, CHOSEN)
    return lines(title, "s", (median, "{{model_name}} p50"), (high, "{{model_name}} p95"))


def requests_lines() -> timeseries.Panel:
    """Running and waiting requests."""
    running, waiting = queries.running(CHOSEN), queries.waiting(CHOSEN)
    return lines("Requests", "short", (running, "{{instance}} running"), (waiting, "{{instance}} waiting"))


def queue_lines() -> timeseries.Panel:
    """Time in the queue."""
    return lines("Time in the queue, p95", "s", (queries.queue_time(chosen=CHOSEN), "{{model_name}}"))


def kv_lines() -> timeseries.Panel:
    """KV cache in use."""
    return lines("KV cache in use", "percentunit", (queries.kv_use(CHOSEN), "{{instance}}"))


def tokens_lines() -> timeseries.Panel:
    """Tokens read and written."""
    written, read = queries.generated_tokens(CHOSEN), queries.prompt_tokens(CHOSEN)
    return lines("Tokens per second", "short", (written, "{{model_name}} written"), (read, "{{model_name}} read"))


def prefix_lines() -> timeseries.Panel:
    """Prefix cache hits."""
    return lines("Prefix cache hits", "percentunit", (queries.prefix_hits(CHOSEN), "{{model_name}}"))


def preemption_lines() -> timeseries.Panel:
    """Preemptions."""
    return lines("Preemptions per second", "short", (queries.preemptions(CHOSEN), "{{instance}}"))


def finished_lines() -> timeseries.Panel:
    """Finished requests by reason."""
    return lines("Finished per second", "reqps", (queries.finished(CHOSEN), "{{model_name}} {{finished_reason}}"))
