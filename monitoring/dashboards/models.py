"""Models: what every engine does."""

from __future__ import annotations

from typing import Final

from monitoring.boards import Board, Choice, Panel, Row
from monitoring.panels import lines
from monitoring.queries import engines
from monitoring.subjects import Subjects

# What the reader has picked above the dashboard.
CHOSEN: Final = 'model_name=~"$model", instance=~"$instance"'


def build(subjects: Subjects) -> Board:
    """Return the dashboard; what only chats have is left out where there are none."""
    chats = bool(subjects.chat_models)
    latency = (first_token_lines(), replica_lines(), between_tokens_lines(), per_token_lines()) if chats else ()
    rows = (
        Row("Latency", (*latency, whole_request_lines(), queue_time_lines())),
        Row("Queue and cache", (requests_lines(), kv_lines(), prefix_lines(), preemption_lines())),
        Row("Work", (tokens_lines(), replica_tokens_lines(), finished_lines(), lengths_lines())),
    )
    choices = (
        Choice("model", "Model", "label_values(vllm:num_requests_running, model_name)"),
        Choice("instance", "Engine", 'label_values(vllm:num_requests_running{model_name=~"$model"}, instance)'),
    )
    return Board("models", "Hearth: models", rows, choices)


def first_token_lines() -> Panel:
    """Time to the first token, median and p95."""
    return _latency("Time to first token", "time_to_first_token_seconds", "What people feel when a chat begins.")


def replica_lines() -> Panel:
    """Time to the first token, per replica."""
    about = "One replica that is slower than the others has less room, or a slower card."
    slow = engines.ttft(chosen=CHOSEN, by="model_name, instance")
    return lines("Time to first token, p95 per engine", "s", about, (slow, "{{instance}}"))


def between_tokens_lines() -> Panel:
    """Time between two tokens."""
    return _latency("Time between tokens", "inter_token_latency_seconds", "0.1 s is faster than people read.")


def per_token_lines() -> Panel:
    """Time per token, averaged over each request."""
    about = "Each request's own average: long answers don't outweigh short ones."
    return _latency("Time per output token", "request_time_per_output_token_seconds", about)


def whole_request_lines() -> Panel:
    """A whole request."""
    return _latency("Whole request", "e2e_request_latency_seconds", "From arrival at the engine to the last token.")


def queue_time_lines() -> Panel:
    """Time in the queue."""
    about = "Before an engine begins with a request."
    return lines("Time in the queue, p95", "s", about, (engines.queue_time(chosen=CHOSEN), "{{model_name}}"))


def requests_lines() -> Panel:
    """Running and waiting requests."""
    running, waiting = engines.running(CHOSEN), engines.waiting(CHOSEN)
    about = "Waiting ones mean a full batch, or a full KV cache."
    return lines("Requests", "short", about, (running, "{{instance}} running"), (waiting, "{{instance}} waiting"))


def kv_lines() -> Panel:
    """KV cache in use."""
    about = "Room for the tokens of running requests, and of prefixes that may come again."
    return lines("KV cache in use", "percentunit", about, (engines.kv_use(CHOSEN), "{{instance}}"))


def prefix_lines() -> Panel:
    """Prefix cache hits."""
    about = "The share of prompt tokens that needn't be computed again."
    return lines("Prefix cache hits", "percentunit", about, (engines.prefix_hits(CHOSEN), "{{model_name}}"))


def preemption_lines() -> Panel:
    """Preemptions."""
    about = "Requests that were pushed out of the cache: their work is done twice."
    return lines("Preemptions per second", "short", about, (engines.preemptions(CHOSEN), "{{instance}}"))


def tokens_lines() -> Panel:
    """Tokens read and written."""
    written, read = engines.generated_tokens(CHOSEN), engines.prompt_tokens(CHOSEN)
    about = "Reading is fast and bound by computing, writing slow and bound by memory."
    return lines(
        "Tokens per second", "short", about, (written, "{{model_name}} written"), (read, "{{model_name}} read")
    )


def replica_tokens_lines() -> Panel:
    """Tokens written, per replica."""
    about = "Replicas that differ much: requests aren't spread."
    each = engines.generated_tokens(CHOSEN, by="model_name, instance")
    return lines("Tokens written per second, per engine", "short", about, (each, "{{instance}}"))


def finished_lines() -> Panel:
    """Finished requests by reason."""
    about = "stop: the model ended; length: cut at the limit; abort: the client went away."
    return lines(
        "Finished per second", "reqps", about, (engines.finished(CHOSEN), "{{model_name}} {{finished_reason}}")
    )


def lengths_lines() -> Panel:
    """Length of prompts and answers."""
    read, written = engines.lengths("prompt", CHOSEN), engines.lengths("generation", CHOSEN)
    about = "Longer ones than planned need more KV cache per request."
    return lines(
        "Tokens per request, p95", "short", about, (read, "{{model_name}} read"), (written, "{{model_name}} written")
    )


def _latency(title: str, metric: str, about: str) -> Panel:
    median, high = (engines.engine_quantile(metric, share, CHOSEN) for share in (0.5, 0.95))
    return lines(title, "s", about, (median, "{{model_name}} p50"), (high, "{{model_name}} p95"))
