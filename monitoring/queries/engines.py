"""What engines tell: vLLM of its work, the entry point of the engine's life, and the plan of both."""

from __future__ import annotations

from typing import Final

from monitoring.queries.planned import of_engine
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


def running(chosen: str = "", by: str = _REPLICA) -> str:
    """Return requests that an engine works on."""
    return f"sum by ({by}) ({narrowed('vllm:num_requests_running', chosen)})"


def waiting(chosen: str = "", by: str = _REPLICA) -> str:
    """Return requests that wait for their turn, per engine."""
    return f"sum by ({by}) ({narrowed('vllm:num_requests_waiting', chosen)})"


def queue_over_batch() -> str:
    """Return the waiting requests of models that have more of them than their engines work on at once.

    What they work on is counted, not planned: where the cache is what limits a batch, it stays far below `max_sequences`.
    """
    return f"{waiting(by='model_name')} > {running(by='model_name')}"


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


def starts_anew() -> str:
    """Return how often an engine was started again in a quarter of an hour, but for the first start of its container.

    The count begins anew with a container: `changes` would take two deploys for a loop.
    """
    return "hearth_engine_starts_total - clamp_min(min_over_time(hearth_engine_starts_total[15m]), 1)"


def restarted() -> str:
    """Return engines that have started anew within a quarter of an hour, and not because they were deployed.

    A container that was started anew says so by the engine's own start alone.
    """
    began = f'changes(process_start_time_seconds{{job="{ENGINES}"}}[15m]) > 0'
    deployed = "hearth_engine_settings_info unless hearth_engine_settings_info offset 15m"
    return f"max by (host, instance) (({starts_anew()} > 0) or ({began} unless on (instance) ({deployed})))"


def in_state(*states: str) -> str:
    """Return the engines that are in one of these states."""
    return f'hearth_engine_state{{state=~"{"|".join(states)}"}} == 1'


def not_serving() -> str:
    """Return engines that don't answer, and neither start for the first time nor end, as their entry points say.

    One that has ended by itself is down until it serves again, however long its starts last.
    """
    first = f"{in_state('queued', 'starting')} unless on (instance) hearth_engine_ends_total"
    return f'up{{job="{ENGINES}"}} == 0 unless on (instance) (({first}) or {in_state("stopping")})'


def failed() -> str:
    """Return the engines that are out of starts, with the cause of their last end."""
    return 'hearth_engine_last_end_info and on (instance) (hearth_engine_state{state="failed"} == 1)'


def looping() -> str:
    """Return how often engines that start again and again have done so in a quarter of an hour."""
    return f"{starts_anew()} >= {STARTS_LOOPING}"


def start_overdue() -> str:
    """Return for how long an engine has been starting, where that is most of the time the plan gives it, in seconds."""
    lasted = f"(time() - hearth_engine_state_since_seconds and on (instance) ({in_state('starting')}))"
    return f"{lasted} > on (instance) group_left () {START_BUDGET_SHARE} * {of_engine('start_timeout_seconds')}"


def stalled() -> str:
    """Return for how long engines with requests have got nothing done, in seconds."""
    return f"hearth_engine_stalled_seconds > on (instance) group_left () {of_engine('stalled_seconds')}"


def cpu_cores(chosen: str = "") -> str:
    """Return how many cores an engine's container keeps busy."""
    return f"rate({narrowed('hearth_engine_cpu_seconds_total', chosen)}[2m])"


def supervised(metric: str, chosen: str = "") -> str:
    """Return one figure of the entry point."""
    return narrowed(f"hearth_engine_{metric}", chosen)


def new_settings() -> str:
    """Return engines whose settings are new: for two minutes after a deploy, and not after a mere restart."""
    return "hearth_engine_settings_info unless hearth_engine_settings_info offset 2m"
