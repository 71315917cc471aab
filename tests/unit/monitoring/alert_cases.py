"""Series that make each alert fire, and series that are nearly the same and must not.

Every series runs at one sample per 15 s, for 20 minutes; what fires is looked at after the 20th.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """`labels` and `summary` are those of the one alert that is wanted; without a summary there must be silence."""

    alert: str
    what: str
    series: dict[str, str]
    summary: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.alert}, {self.what}"


def up(job: str, instance: str) -> str:
    return f'up{{job="{job}",instance="{instance}"}}'


def engine(metric: str, model: str = "chat", instance: str = "chat-0") -> str:
    return f'vllm:{metric}{{engine="0",job="vllm",instance="{instance}",model_name="{model}"}}'


def first_token(model: str, le: str) -> str:
    return f'vllm:time_to_first_token_seconds_bucket{{job="vllm",instance="chat-0",model_name="{model}",le="{le}"}}'


def requests(status: str, route: str = "/v1/chat/completions") -> str:
    labels = f'job="litellm",instance="litellm",route="{route}",status_code="{status}"'
    return f"litellm_proxy_total_requests_metric_total{{{labels}}}"


def disk(what: str, device: str = "/dev/vda", fstype: str = "ext4", mountpoint: str = "/") -> str:
    labels = (
        f'job="node_exporter",instance="node-exporter",device="{device}",fstype="{fstype}",mountpoint="{mountpoint}"'
    )
    return f"node_filesystem_{what}{{{labels}}}"


def memory(what: str) -> str:
    return f'node_memory_Mem{what}_bytes{{job="node_exporter",instance="node-exporter"}}'


def reload(program: str) -> str:
    return f'{program}_config_last_reload_successful{{job="{program}",instance="{program}"}}'


def supervised(metric: str, **labels: str) -> str:
    more = "".join(f',{name}="{value}"' for name, value in labels.items())
    return f'hearth_engine_{metric}{{job="supervision",instance="chat-0"{more}}}'


START = 'process_start_time_seconds{job="vllm",instance="chat-0"}'
ON_CHAT_0 = {"model_name": "chat", "instance": "chat-0"}
WARNING = {"severity": "warning"}
CRITICAL = {"severity": "critical"}


def work(model: str, instance: str, *, running: str = "2x80", **rates: str) -> dict[str, str]:
    """What an engine tells of its work; all counters stand unless a rate is named."""
    counters = ("generation_tokens_total", "prompt_tokens_total", "request_success_total")
    series = {engine(counter, model, instance): rates.get(counter, "7x80") for counter in counters}
    return {engine("num_requests_running", model, instance): running, **series}


CASES = (
    Case(
        "TargetDown", "an engine", {up("vllm", "chat-0"): "1x70 0x10"},
        "chat-0 of vllm doesn't answer", {**CRITICAL, "job": "vllm", "instance": "chat-0"},
    ),
    Case(
        "TargetDown", "the gateway", {up("litellm", "litellm"): "0x80"},
        "litellm of litellm doesn't answer", {**CRITICAL, "job": "litellm", "instance": "litellm"},
    ),
    Case(
        "TargetDown", "an exporter", {up("node_exporter", "node-exporter"): "0x80"},
        "node-exporter of node_exporter doesn't answer",
        {**WARNING, "job": "node_exporter", "instance": "node-exporter"},
    ),
    Case("TargetDown", "one lost scrape", {up("vllm", "chat-0"): "1x76 0x3"}),
    Case(
        "TargetMissing", "one engine of two", {up("vllm", "embed"): "1x20 stale"},
        "embed of vllm is declared, and Prometheus doesn't scrape it", {**WARNING, "job": "vllm", "instance": "embed"},
    ),
    Case("TargetMissing", "down is not missing", {up("vllm", "embed"): "0x80"}),
    Case(
        "EngineStalled", "requests and no work", work("chat", "chat-0"),
        "chat on chat-0 has running requests and gets nothing done", {**CRITICAL, **ON_CHAT_0},
    ),
    Case("EngineStalled", "slow but alive", work("chat", "chat-0", generation_tokens_total="0+1x80")),
    Case("EngineStalled", "nothing to do", work("chat", "chat-0", running="0x80")),
    Case(
        "EngineStalled", "embeddings write no token",
        work("embed", "embed", prompt_tokens_total="0+90x80", request_success_total="0+3x80"),
    ),
    Case(
        "EngineQueueLong", "over two replicas",
        {engine("num_requests_waiting"): "6x80", engine("num_requests_waiting", instance="chat-1"): "5x80"},
        "11 requests wait for chat", {**WARNING, "model_name": "chat"},
    ),
    Case("EngineQueueLong", "at the threshold", {engine("num_requests_waiting"): "10x80"}),
    Case("EngineQueueLong", "a burst", {engine("num_requests_waiting"): "0x65 50x15"}),
    Case(
        "EngineKvNearlyFull", "97 %", {engine("kv_cache_usage_perc"): "0.97x80"},
        "the KV cache of chat on chat-0 is 97% full", {**WARNING, **ON_CHAT_0},
    ),
    Case("EngineKvNearlyFull", "94 %", {engine("kv_cache_usage_perc"): "0.94x80"}),
    Case(
        "EnginePreempting", "one in five seconds", {engine("num_preemptions_total"): "0+3x80"},
        "chat on chat-0 pushes running requests out of its cache", {**WARNING, **ON_CHAT_0},
    ),
    Case("EnginePreempting", "one in fifteen seconds", {engine("num_preemptions_total"): "0+1x80"}),
    Case(
        "EngineRestarted", "once", {START: "100x60 900x20"},
        "chat-0 has restarted", {**WARNING, "job": "vllm", "instance": "chat-0"},
    ),
    Case(
        "EngineFailed", "out of starts",
        {supervised("state", state="failed"): "0x60 1x20", supervised("last_end_info", cause="gpu_memory"): "_x50 1x30"},
        "chat-0 is out of starts: gpu_memory",
        {**CRITICAL, "job": "supervision", "instance": "chat-0", "cause": "gpu_memory"},
    ),
    Case(
        "EngineFailed", "ended once, and serves again",
        {supervised("state", state="failed"): "0x80", supervised("last_end_info", cause="killed"): "1x80"},
    ),
    Case("EngineRestarted", "away and back", {START: "100x60 _x5 100x15"}),
    Case(
        "EngineSlowFirstToken", "all between 2.5 and 5 s",
        {first_token("chat", "2.5"): "0x80", first_token("chat", "5.0"): "0+30x80", first_token("chat", "+Inf"): "0+30x80"},
        "one request in twenty waits 4.875s for the first token of chat", {**WARNING, "model_name": "chat"},
    ),
    Case(
        "EngineSlowFirstToken", "all below a second",
        {first_token("chat", "1.0"): "0+30x80", first_token("chat", "5.0"): "0+30x80", first_token("chat", "+Inf"): "0+30x80"},
    ),
    Case(
        "EngineSlowFirstToken", "embeddings have no first token",
        {first_token("embed", "2.5"): "0x80", first_token("embed", "5.0"): "0+9x80", first_token("embed", "+Inf"): "0+9x80"},
    ),
    Case(
        "GatewayErrors", "one in ten, and many refused", {requests("200"): "0+90x80", requests("500"): "0+10x80",
        requests("None"): "0+900x80", requests("401"): "0+900x80"},
        "10% of the requests fail at the gateway", CRITICAL,
    ),
    Case("GatewayErrors", "one in a hundred", {requests("200"): "0+99x80", requests("500"): "0+1x80"}),
    Case("GatewayErrors", "only refused ones", {requests("200"): "0+50x80", requests("401"): "0+50x80"}),
    Case("GatewayErrors", "on pages of its own", {requests("200"): "0+50x80", requests("500", "/metrics"): "0+50x80"}),
    Case(
        "DiskFilling", "one disk in two places",
        {disk("avail_bytes"): "9x80", disk("size_bytes"): "100x80", disk("avail_bytes", mountpoint="/data"): "9x80",
         disk("size_bytes", mountpoint="/data"): "100x80"},
        "/dev/vda seen by node-exporter has 9% left",
        {**WARNING, "instance": "node-exporter", "device": "/dev/vda"},
    ),
    Case("DiskFilling", "11 % left", {disk("avail_bytes"): "11x80", disk("size_bytes"): "100x80"}),
    Case(
        "DiskFilling", "what can't be written to is full by nature",
        {disk("avail_bytes", "/dev/sr0", "iso9660"): "0x80", disk("size_bytes", "/dev/sr0", "iso9660"): "100x80",
         disk("readonly", "/dev/sr0", "iso9660"): "1x80"},
    ),
    Case(
        "MemoryLow", "4 % left", {memory("Available"): "4x80", memory("Total"): "100x80"},
        "the machine of node-exporter has 4% of its memory left",
        {**CRITICAL, "job": "node_exporter", "instance": "node-exporter"},
    ),
    Case("MemoryLow", "6 % left", {memory("Available"): "6x80", memory("Total"): "100x80"}),
    Case(
        "PrometheusConfigBroken", "Prometheus", {reload("prometheus"): "0x80"}, "prometheus runs on an old configuration",
        {**WARNING, "job": "prometheus", "instance": "prometheus"},
    ),
    Case(
        "PrometheusConfigBroken", "the Alertmanager", {reload("alertmanager"): "0x80"},
        "alertmanager runs on an old configuration", {**WARNING, "job": "alertmanager", "instance": "alertmanager"},
    ),
    Case("PrometheusConfigBroken", "read at once", {reload("prometheus"): "0x2 1x80", reload("alertmanager"): "1x80"}),
    Case("Watchdog", "always", {}, "always fires: when it stops, alerting is broken", {"severity": "none"}),
)  # fmt: skip
