"""Every PromQL expression, as a named function. Metric names are those of vLLM 0.32, LiteLLM 1.102 and node_exporter 1.5+.

`chosen` narrows an engine's series: label matchers as PromQL writes them, such as `model_name=~"$model"`; empty means all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from monitoring.selectors import GATEWAY, NO_DISK, ROUTES, WINDOW

# Recorded by the rules, read by alerts and by the overview: cheap over weeks.
TTFT_RECORD: Final = "model:vllm_ttft_seconds:p95_5m"
TOKENS_RECORD: Final = "model:vllm_generation_tokens:rate5m"
ERRORS_RECORD: Final = "gateway:litellm_errors:share_5m"

_REQUESTS: Final = f'litellm_proxy_total_requests_metric_total{{job="{GATEWAY}", route=~"{ROUTES}"'
_SPECIAL: Final = re.compile(r"([.+*?()\[\]{}|^$\\])")
_VARIABLE: Final = re.compile(r"\$\{?(?:model|instance)\b\}?")


def up(job: str) -> str:
    """Return 1 for every target of a job that answers, 0 for one that doesn't."""
    return f'up{{job="{job}"}}'


def down(jobs: Sequence[str]) -> str:
    """Return the targets of these jobs that don't answer."""
    return f'up{{job=~"{"|".join(jobs)}"}} == 0'


def failed() -> str:
    """Return the engines that are out of starts, with the cause of their last end."""
    return 'hearth_engine_last_end_info and on (instance) (hearth_engine_state{state="failed"} == 1)'


def missing(job: str, instance: str) -> str:
    """Return 1 when a declared target isn't scraped at all."""
    return f'absent(up{{instance="{instance}", job="{job}"}})'


def firing() -> str:
    """Return how many alerts fire; the one that always does isn't counted."""
    return 'sum(ALERTS{alertstate="firing", severity!="none"}) or vector(0)'


def named(models: Sequence[str]) -> str:
    """Return the matcher of these models' series."""
    # A PromQL string takes one of two backslashes for itself; re.escape would quote every dash as well.
    quoted = [_SPECIAL.sub(r"\\\\\1", model) for model in models]
    return f'model_name=~"{"|".join(quoted)}"'


def engine_quantile(metric: str, quantile: float, chosen: str = "") -> str:
    """Return a quantile of a vLLM histogram, in seconds, per model."""
    buckets = f"rate({_engine(f'{metric}_bucket', chosen)}[{WINDOW}])"
    return f"histogram_quantile({quantile}, sum by (le, model_name) ({buckets}))"


def ttft(quantile: float = 0.95, chosen: str = "") -> str:
    """Return the time to the first token, in seconds, per model."""
    return engine_quantile("time_to_first_token_seconds", quantile, chosen)


def queue_time(quantile: float = 0.95, chosen: str = "") -> str:
    """Return how long requests wait for their turn, in seconds, per model."""
    return engine_quantile("request_queue_time_seconds", quantile, chosen)


def running(chosen: str = "") -> str:
    """Return requests that an engine works on."""
    return f"sum by (model_name, instance) ({_engine('num_requests_running', chosen)})"


def waiting(chosen: str = "") -> str:
    """Return requests that wait for their turn, per engine."""
    return f"sum by (model_name, instance) ({_engine('num_requests_waiting', chosen)})"


def waiting_per_model() -> str:
    """Return requests that wait for their turn, over all replicas of a model."""
    return "sum by (model_name) (vllm:num_requests_waiting)"


def stalled() -> str:
    """Return the running requests of engines that get nothing done.

    Prompt tokens and finished requests count as well: an embeddings engine never writes a token, and an engine on CPU
    may read one long prompt for minutes.
    """
    counters = ("generation_tokens_total", "prompt_tokens_total", "request_success_total")
    work = [f"sum by (model_name, instance) (rate(vllm:{counter}[{WINDOW}]))" for counter in counters]
    return f"{running()} > 0 and ({' + '.join(work)}) == 0"


def kv_use(chosen: str = "") -> str:
    """Return the share of the KV cache in use, 0 to 1."""
    return f"max by (model_name, instance) ({_engine('kv_cache_usage_perc', chosen)})"


def prefix_hits(chosen: str = "") -> str:
    """Return the share of prompt tokens found in the prefix cache, 0 to 1."""
    hits, asked = (_engine(f"prefix_cache_{what}_total", chosen) for what in ("hits", "queries"))
    return f"sum by (model_name) (rate({hits}[{WINDOW}])) / sum by (model_name) (rate({asked}[{WINDOW}]))"


def preemptions(chosen: str = "") -> str:
    """Return running requests pushed out of the cache, per second."""
    return f"sum by (model_name, instance) (rate({_engine('num_preemptions_total', chosen)}[{WINDOW}]))"


def generated_tokens(chosen: str = "") -> str:
    """Return tokens written, per second and model."""
    return f"sum by (model_name) (rate({_engine('generation_tokens_total', chosen)}[{WINDOW}]))"


def prompt_tokens(chosen: str = "") -> str:
    """Return tokens read, per second and model."""
    return f"sum by (model_name) (rate({_engine('prompt_tokens_total', chosen)}[{WINDOW}]))"


def finished(chosen: str = "") -> str:
    """Return finished requests per second, by model and reason."""
    return f"sum by (model_name, finished_reason) (rate({_engine('request_success_total', chosen)}[{WINDOW}]))"


def restarts(job: str) -> str:
    """Return how often a program has started anew in a quarter of an hour."""
    return f'changes(process_start_time_seconds{{job="{job}"}}[15m])'


def gateway_requests() -> str:
    """Return requests per second at the gateway, by model and status."""
    return f"sum by (requested_model, status_code) (rate({_REQUESTS}}}[{WINDOW}]))"


def gateway_error_share() -> str:
    """Return the share of answered requests that end with a server error, 0 to 1.

    Refused ones (4xx, and "None" where a key is missing) are left out of both: strangers who knock would water the share down.
    """
    failed = f'sum(rate({_REQUESTS}, status_code=~"5.."}}[{WINDOW}]))'
    return f'({failed} or vector(0)) / sum(rate({_REQUESTS}, status_code=~"2..|5.."}}[{WINDOW}]))'


def gateway_latency(quantile: float = 0.95) -> str:
    """Return the time of a request through the gateway, in seconds, per model."""
    buckets = f"rate(litellm_request_total_latency_metric_bucket[{WINDOW}])"
    return f"histogram_quantile({quantile}, sum by (le, requested_model) ({buckets}))"


def gateway_users() -> str:
    """Return tokens per second, by key and user. Without a database both name the master key's owner."""
    return f"sum by (api_key_alias, user) (rate(litellm_total_tokens_metric_total[{WINDOW}]))"


def disk_free_share() -> str:
    """Return the free share of every disk that can be written to, 0 to 1; mounted twice, it is told once."""
    share = f'node_filesystem_avail_bytes{{fstype!~"{NO_DISK}"}} / node_filesystem_size_bytes'
    return f"min by (instance, device) ({share} unless node_filesystem_readonly == 1)"


def memory_free_share() -> str:
    """Return the share of RAM that programs can still get, 0 to 1."""
    return "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"


def reload_failed(job: str) -> str:
    """Return where Prometheus or the Alertmanager (`job`) could not read its last configuration."""
    return f'{job}_config_last_reload_successful{{job="{job}"}} == 0'


def in_dashboard(text: str) -> list[str]:
    """Return every expression of a dashboard's JSON, so that a test can send each to a live Prometheus.

    The dashboard's variables stand at "All".
    """
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend([_VARIABLE.sub(".*", value["expr"])] if isinstance(value.get("expr"), str) else [])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(json.loads(text))
    return found


def _engine(metric: str, chosen: str) -> str:
    return f"vllm:{metric}{{{chosen}}}" if chosen else f"vllm:{metric}"
