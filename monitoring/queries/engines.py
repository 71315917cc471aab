"""What engines tell: vLLM of its work, the entry point of the engine's life, and the plan of both."""

from __future__ import annotations

from typing import Final

from monitoring.queries.text import narrowed, quantile, rate
from monitoring.selectors import ENGINES, START_BUDGET_SHARE, STARTS_LOOPING

# Recorded by the rules, read by alerts and by the overview: cheap over weeks.
TTFT_RECORD: Final = "model:vllm_ttft_seconds:p95_5m"
TOKENS_RECORD: Final = "model:vllm_generation_tokens:rate5m"

_REPLICA: Final = "model_name, instance"


def engine_quantile(metric: str, share: float, chosen: str = "", by: str = "model_name") -> str:
    """Return a quantile of a vLLM histogram, in seconds."""
    return quantile(f"vllm:{metric}", share, chosen, by=by)


def ttft(share: float = 0.95, chosen: str = "", by: str = "model_name") -> str:
    """Return the time to the first token, in seconds."""
    return engine_quantile("time_to_first_token_seconds", share, chosen, by)


def queue_time(share: float = 0.95, chosen: str = "") -> str:
    """Return how long requests wait for their turn, in seconds, per model."""
    return engine_quantile("request_queue_time_seconds", share, chosen)


def running(chosen: str = "") -> str:
    """Return requests that an engine works on."""
    return f"sum by ({_REPLICA}) ({narrowed('vllm:num_requests_running', chosen)})"


def waiting(chosen: str = "", by: str = _REPLICA) -> str:
    """Return requests that wait for their turn, per engine."""
    return f"sum by ({by}) ({narrowed('vllm:num_requests_waiting', chosen)})"


def queue_over_batch() -> str:
    """Return the waiting requests of models that have more of them than all replicas' batches take."""
    batch = "sum by (model_name) (hearth_plan_max_sequences)"
    return f"{waiting(by='model_name')} > on (model_name) {batch}"


def kv_use(chosen: str = "") -> str:
    """Return the share of the KV cache in use, 0 to 1."""
    return f"max by ({_REPLICA}) ({narrowed('vllm:kv_cache_usage_perc', chosen)})"


def prefix_hits(chosen: str = "") -> str:
    """Return the share of prompt tokens found in the prefix cache, 0 to 1."""
    hits, asked = (rate(f"vllm:prefix_cache_{what}_total", chosen, by="model_name") for what in ("hits", "queries"))
    return f"{hits} / {asked}"


def preemptions(chosen: str = "") -> str:
    """Return running requests pushed out of the cache, per second."""
    return rate("vllm:num_preemptions_total", chosen, by=_REPLICA)


def generated_tokens(chosen: str = "", by: str = "model_name") -> str:
    """Return tokens written per second."""
    return rate("vllm:generation_tokens_total", chosen, by=by)


def prompt_tokens(chosen: str = "") -> str:
    """Return tokens read, per second and model."""
    return rate("vllm:prompt_tokens_total", chosen, by="model_name")


def finished(chosen: str = "") -> str:
    """Return finished requests per second, by model and reason."""
    return rate("vllm:request_success_total", chosen, by="model_name, finished_reason")


def lengths(what: str, chosen: str = "") -> str:
    """Return the 95th percentile of the tokens of a request: what is `prompt` or `generation`."""
    return quantile(f"vllm:request_{what}_tokens", 0.95, chosen, by="model_name")


def restarts() -> str:
    """Return how often an engine has started anew in a quarter of an hour."""
    return f'changes(process_start_time_seconds{{job="{ENGINES}"}}[15m])'


def in_state(*states: str) -> str:
    """Return the engines that are in one of these states."""
    return f'hearth_engine_state{{state=~"{"|".join(states)}"}} == 1'


def not_serving() -> str:
    """Return engines that don't answer and aren't just starting or ending, as their entry points say."""
    return f'up{{job="{ENGINES}"}} == 0 unless on (instance) ({in_state("queued", "starting", "stopping")})'


def failed() -> str:
    """Return the engines that are out of starts, with the cause of their last end."""
    return 'hearth_engine_last_end_info and on (instance) (hearth_engine_state{state="failed"} == 1)'


def looping() -> str:
    """Return the starts of engines that start again and again, in a quarter of an hour."""
    return f"changes(hearth_engine_starts_total[15m]) >= {STARTS_LOOPING}"


def start_overdue() -> str:
    """Return for how long an engine has been starting, where that is most of the time the plan gives it, in seconds."""
    lasted = f"(time() - hearth_engine_state_since_seconds and on (instance) ({in_state('starting')}))"
    return f"{lasted} > on (instance) group_left () {START_BUDGET_SHARE} * hearth_plan_start_timeout_seconds"


def stalled() -> str:
    """Return for how long engines with requests have got nothing done, in seconds."""
    return "hearth_engine_stalled_seconds > on (instance) group_left () hearth_plan_stalled_seconds"


def cpu_cores(chosen: str = "") -> str:
    """Return how many cores an engine's container keeps busy."""
    return f"rate({narrowed('hearth_engine_cpu_seconds_total', chosen)}[2m])"


def supervised(metric: str, chosen: str = "") -> str:
    """Return one figure of the entry point."""
    return narrowed(f"hearth_engine_{metric}", chosen)


def new_settings() -> str:
    """Return engines whose settings are new: for two minutes after a deploy, and not after a mere restart."""
    return "hearth_engine_settings_info unless hearth_engine_settings_info offset 2m"
