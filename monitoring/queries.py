"""Every PromQL expression, as a named function. Metric names are those of vLLM 0.32, LiteLLM 1.102 and node_exporter 1.5+."""

from __future__ import annotations

import json
from typing import Any

from monitoring.selectors import GATEWAY, ROUTES, WINDOW


def up(job: str) -> str:
    """Return 1 for every target of a job that answers, 0 for one that doesn't."""
    return f'up{{job="{job}"}}'


def engine_quantile(metric: str, quantile: float) -> str:
    """Return a quantile of a vLLM histogram, in seconds, per model."""
    return f"histogram_quantile({quantile}, sum by (le, model_name) (rate(vllm:{metric}_bucket[{WINDOW}])))"


def ttft(quantile: float = 0.95) -> str:
    """Return the time to the first token, in seconds, per model."""
    return engine_quantile("time_to_first_token_seconds", quantile)


def inter_token(quantile: float = 0.95) -> str:
    """Return the time between tokens, in seconds, per model."""
    return engine_quantile("inter_token_latency_seconds", quantile)


def end_to_end(quantile: float = 0.95) -> str:
    """Return the time of a whole request, in seconds, per model; nothing below 0.3 s is told apart."""
    return engine_quantile("e2e_request_latency_seconds", quantile)


def queue_time(quantile: float = 0.95) -> str:
    """Return how long requests wait for their turn, in seconds, per model."""
    return engine_quantile("request_queue_time_seconds", quantile)


def running() -> str:
    """Return requests that an engine works on."""
    return "sum by (model_name, instance) (vllm:num_requests_running)"


def waiting() -> str:
    """Return requests that wait for their turn."""
    return "sum by (model_name, instance) (vllm:num_requests_waiting)"


def kv_use() -> str:
    """Return the share of the KV cache in use, 0 to 1."""
    return "max by (model_name, instance) (vllm:kv_cache_usage_perc)"


def prefix_hits() -> str:
    """Return the share of prompt tokens found in the prefix cache, 0 to 1."""
    hits = f"sum by (model_name) (rate(vllm:prefix_cache_hits_total[{WINDOW}]))"
    return f"{hits} / sum by (model_name) (rate(vllm:prefix_cache_queries_total[{WINDOW}]))"


def preemptions() -> str:
    """Return running requests pushed out of the cache, per second."""
    return f"sum by (model_name, instance) (rate(vllm:num_preemptions_total[{WINDOW}]))"


def generated_tokens() -> str:
    """Return tokens written, per second and model."""
    return f"sum by (model_name) (rate(vllm:generation_tokens_total[{WINDOW}]))"


def prompt_tokens() -> str:
    """Return tokens read, per second and model."""
    return f"sum by (model_name) (rate(vllm:prompt_tokens_total[{WINDOW}]))"


def finished() -> str:
    """Return finished requests per second, by model and reason."""
    return f"sum by (model_name, finished_reason) (rate(vllm:request_success_total[{WINDOW}]))"


def gateway_requests() -> str:
    """Return requests per second at the gateway, by model and status."""
    return f'sum by (requested_model, status_code) (rate(litellm_proxy_total_requests_metric_total{{route=~"{ROUTES}"}}[{WINDOW}]))'


def gateway_error_share() -> str:
    """Return the share of requests that end with a server error, 0 to 1."""
    total = f'litellm_proxy_total_requests_metric_total{{job="{GATEWAY}", route=~"{ROUTES}"'
    failed = f'sum(rate({total}, status_code=~"5.."}}[{WINDOW}]))'
    return f"({failed} or vector(0)) / sum(rate({total}}}[{WINDOW}]))"


def gateway_latency(quantile: float = 0.95) -> str:
    """Return the time of a request through the gateway, in seconds, per model."""
    buckets = f"rate(litellm_request_total_latency_metric_bucket[{WINDOW}])"
    return f"histogram_quantile({quantile}, sum by (le, requested_model) ({buckets}))"


def gateway_users() -> str:
    """Return tokens per second, by key."""
    return f"sum by (api_key_alias) (rate(litellm_total_tokens_metric_total[{WINDOW}]))"


def disk_free_share() -> str:
    """Return the free share of every real file system, 0 to 1."""
    return 'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"} / node_filesystem_size_bytes'


def memory_free_share() -> str:
    """Return the share of RAM that programs can still get, 0 to 1."""
    return "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"


def cores_busy() -> str:
    """Return how many cores work, per host."""
    return f'sum by (instance) (rate(node_cpu_seconds_total{{mode!~"idle|iowait"}}[{WINDOW}]))'


def in_dashboard(text: str) -> list[str]:
    """Return every expression of a dashboard's JSON, so that a test can send each to a live Prometheus."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend([value["expr"]] if isinstance(value.get("expr"), str) else [])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(json.loads(text))
    return found
