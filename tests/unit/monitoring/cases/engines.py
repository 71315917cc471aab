"""Engines: down, failed, slow, full, and other than planned."""

from __future__ import annotations

from tests.unit.monitoring.cases.case import CRITICAL, ON_CHAT_0, WARNING, Case, engine, series, supervised, up

START = series("process_start_time_seconds", job="vllm", instance="chat-0")
SUPERVISED = {"job": "supervision", "instance": "chat-0"}
DOWN = {up("vllm", "chat-0"): "1x70 0x10"}


def starting(since_s: int) -> dict[str, str]:
    return {supervised("state", state="starting"): "1x80", supervised("state_since_seconds"): f"{since_s}x80"}


def late(histogram: str, bounds: dict[str, str], model: str = "chat") -> dict[str, str]:
    """Buckets of a histogram over more than six hours, and its count: as many as its last bucket."""
    labels = {"job": "vllm", "instance": "chat-0", "model_name": model}
    found = {series(f"vllm:{histogram}_bucket", **labels, le=le): values for le, values in bounds.items()}
    return {**found, series(f"vllm:{histogram}_count", **labels): list(bounds.values())[-1]}


CASES = (
    Case(
        "EngineDown", "no answer, and nobody says that it starts", DOWN,
        "chat-0 doesn't answer, and isn't starting either", {**CRITICAL, "job": "vllm", "instance": "chat-0", "host": "box"},
    ),
    Case(
        "EngineDown", "failed", {**DOWN, supervised("state", state="failed"): "1x80", supervised("state", state="starting"): "0x80"},
        "chat-0 doesn't answer, and isn't starting either", {**CRITICAL, "job": "vllm", "instance": "chat-0", "host": "box"},
    ),
    Case("EngineDown", "it starts", {**DOWN, supervised("state", state="starting"): "0x70 1x10"}),
    Case("EngineDown", "it waits for its neighbour", {**DOWN, supervised("state", state="queued"): "0x70 1x10"}),
    Case("EngineDown", "one lost scrape", {up("vllm", "chat-0"): "1x77 0x2 1x5"}),
    Case(
        "EngineFailed", "out of starts",
        {supervised("state", state="failed"): "0x60 1x20", supervised("last_end_info", cause="gpu_memory"): "_x50 1x30"},
        "chat-0 is out of starts: gpu_memory", {**CRITICAL, **SUPERVISED, "cause": "gpu_memory"},
    ),
    Case(
        "EngineFailed", "ended once, and serves again",
        {supervised("state", state="failed"): "0x80", supervised("last_end_info", cause="killed"): "1x80"},
    ),
    Case(
        "EngineCrashLooping", "three times anew", {supervised("starts_total"): "1x60 2x5 3x5 4x20"},
        "chat-0 has started 3 times anew in a quarter of an hour", {**CRITICAL, **SUPERVISED},
    ),
    Case("EngineCrashLooping", "twice anew", {supervised("starts_total"): "1x60 2x10 3x20"}),
    Case("EngineCrashLooping", "a new container counts from one", {supervised("starts_total"): "5x60 1x20"}),
    Case(
        "EngineRestarted", "once", {START: "100x60 900x20"},
        "chat-0 has restarted", {**WARNING, "job": "vllm", "instance": "chat-0"},
    ),
    Case("EngineRestarted", "away and back", {START: "100x60 _x5 100x15"}),
    Case(
        "EngineStartSlow", "nine of ten minutes", starting(660), "chat-0 has been starting for 9m 0s", {**WARNING, **SUPERVISED},
    ),
    Case("EngineStartSlow", "seven of ten minutes", starting(780)),
    Case("EngineStartSlow", "it serves since long", {**starting(0), supervised("state", state="starting"): "0x80"}),
    Case(
        "EngineStalled", "125 of 300 seconds", {supervised("stalled_seconds"): "0x70 125x10"},
        "chat-0 has requests and got nothing done for 2m 5s", {**CRITICAL, **SUPERVISED},
    ),
    Case("EngineStalled", "a long prompt", {supervised("stalled_seconds"): "0x70 110x10"}),
    Case(
        "EngineStalled", "no watchdog", {supervised("stalled_seconds", instance="embed"): "0x70 125x10"},
        "embed has requests and got nothing done for 2m 5s", {**CRITICAL, "job": "supervision", "instance": "embed"},
    ),
    Case(
        "EngineQueueGrowing", "more than two replicas' batches",
        {engine("num_requests_waiting"): "9x80", engine("num_requests_waiting", instance="chat-1"): "8x80"},
        "17 requests wait for chat, more than its engines work on at once", {**WARNING, "model_name": "chat"},
    ),
    Case(
        "EngineQueueGrowing", "as many as two batches",
        {engine("num_requests_waiting"): "16x80", engine("num_requests_waiting", instance="chat-1"): "0x80"},
    ),
    Case("EngineQueueGrowing", "a burst", {engine("num_requests_waiting"): "0x65 50x15"}),
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
        "PlanAndEngineApart", "fewer", {supervised("kv_cache_tokens"): "800x80"},
        "chat-0 has room for 800 tokens, and its plan said something else", {**WARNING, **SUPERVISED},
    ),
    Case(
        "PlanAndEngineApart", "more", {supervised("kv_cache_tokens"): "1250x80"},
        "chat-0 has room for 1.25k tokens, and its plan said something else", {**WARNING, **SUPERVISED},
    ),
    Case("PlanAndEngineApart", "at the lower bound", {supervised("kv_cache_tokens"): "820x80"}),
    Case("PlanAndEngineApart", "at the upper bound", {supervised("kv_cache_tokens"): "1200x80"}),
    Case("PlanAndEngineApart", "an engine without a plan", {supervised("kv_cache_tokens", instance="embed"): "1x80"}),
    Case(
        "FirstTokenLate", "three of four within an hour",
        late("time_to_first_token_seconds", {"2.5": "0+4x150 600+1x90", "+Inf": "0+4x240"}),
        "75% of the requests for chat wait longer than promised for their first token",
        {**CRITICAL, "model_name": "chat"}, at="6h10m",
    ),
    Case(
        "FirstTokenLate", "four of ten within six hours",
        late("time_to_first_token_seconds", {"2.5": "0+6x250", "+Inf": "0+10x250"}),
        "40% of the requests for chat wait longer than promised for their first token",
        {**WARNING, "model_name": "chat"}, at="6h10m",
    ),
    Case(
        "FirstTokenLate", "one of twenty is what was promised",
        late("time_to_first_token_seconds", {"2.5": "0+19x250", "+Inf": "0+20x250"}), at="6h10m",
    ),
    Case(
        "FirstTokenLate", "three slow answers in a night",
        late("time_to_first_token_seconds", {"2.5": "0x250", "+Inf": "0x190 1x2 2x2 3x20"}), at="6h40m",
    ),
    Case(
        "FirstTokenLate", "over since an hour",
        late("time_to_first_token_seconds", {"2.5": "0+1x30 30+4x400", "+Inf": "0+4x430"}), at="2h10m",
    ),
    Case(
        "FirstTokenLate", "embeddings have no first token",
        late("time_to_first_token_seconds", {"2.5": "0x250", "+Inf": "0+9x250"}, model="embed"), at="6h10m",
    ),
    Case(
        "TokensLate", "three of four within an hour",
        late("inter_token_latency_seconds", {"0.1": "0+40x150 6000+10x90", "+Inf": "0+40x240"}),
        "75% of the tokens of chat come later than promised", {**CRITICAL, "model_name": "chat"}, at="6h10m",
    ),
    Case(
        "TokensLate", "four of ten within six hours",
        late("inter_token_latency_seconds", {"0.1": "0+60x250", "+Inf": "0+100x250"}),
        "40% of the tokens of chat come later than promised", {**WARNING, "model_name": "chat"}, at="6h10m",
    ),
    Case("TokensLate", "all in time", late("inter_token_latency_seconds", {"0.1": "0+40x250", "+Inf": "0+40x250"}), at="6h10m"),
)  # fmt: skip
