"""Engines: their life, their load, and whether they are as planned.

20 minutes are 80 samples; the first is number 0.
"""

from __future__ import annotations

from tests.unit.monitoring.cases.case import Case, of, selector, up
from tests.unit.monitoring.watched import ENGINES, target_labels

CRITICAL = ("critical",)
STATES = ("queued", "starting", "running", "stopping", "waiting", "failed", "ended")
SERVED = {**target_labels("vllm", "chat-0")}
SUPERVISED = {**target_labels("supervision", "chat-0")}
REPLICA = {"model_name": "chat", "instance": "chat-0"}


def engine(metric: str, instance: str = "chat-0") -> str:
    return of("vllm", instance, f"vllm:{metric}", engine="0", model_name=ENGINES[instance][0])


def supervised(metric: str, instance: str = "chat-0", **more: str) -> str:
    return of("supervision", instance, f"hearth_engine_{metric}", **more)


def states(instance: str = "chat-0", **values: str) -> dict[str, str]:
    """Every state's series; those that aren't named are 0."""
    return {supervised("state", instance, state=state): values.get(state, "0x80") for state in STATES}


def settings(digest: str) -> str:
    return supervised("settings_info", digest=digest)


DOWN = {up("vllm", "chat-0"): "1x70 0x10"}
START = of("vllm", "chat-0", "process_start_time_seconds")

LIFE = (
    Case(
        "EngineDown", "hung, and its entry point knows nothing of it", {**DOWN, **states(running="1x80")},
        "chat-0 doesn't answer, and this isn't its first start", SERVED, CRITICAL,
    ),
    Case(
        "EngineDown", "container and entry point are gone",
        {**DOWN, up("supervision", "chat-0"): "1x70 0x10", supervised("state", state="running"): "1x70 stale"},
        "chat-0 doesn't answer, and this isn't its first start", SERVED, CRITICAL,
    ),
    Case(
        "EngineDown", "crashed, and takes long to start again",
        {**DOWN, **states(running="1x70 0x10", starting="0x70 1x10"), supervised("ends_total", cause="killed"): "_x70 1x10"},
        "chat-0 doesn't answer, and this isn't its first start", SERVED, CRITICAL,
    ),
    Case(
        "EngineDown", "waits before it starts again", {**DOWN, **states(running="1x70 0x10", waiting="0x70 1x10")},
        "chat-0 doesn't answer, and this isn't its first start", SERVED, CRITICAL,
    ),
    Case(
        "EngineDown", "is deployed, and takes long to load",
        {**DOWN, **states(running="1x70 0x10", starting="0x70 1x10"), supervised("ends_total", cause="killed"): "2x70 stale"},
    ),
    Case(
        "EngineDown", "waits for a neighbour's start after a power cut",
        {up("vllm", "chat-0"): "0x80", **states(queued="1x80")},
    ),
    Case(
        "EngineDown", "is stopped, and lets requests end",
        {**DOWN, **states(stopping="0x70 1x10"), supervised("ends_total", cause="killed"): "1x80"},
    ),
    Case("EngineDown", "one lost scrape", {up("vllm", "chat-0"): "1x76 0x3", **states(running="1x80")}),
    Case(
        "EngineDown", "only the other replica starts",
        {**DOWN, **states(running="1x80"), **states("chat-1", starting="1x80")},
        "chat-0 doesn't answer, and this isn't its first start", SERVED, CRITICAL,
    ),
    Case(
        "EngineFailed", "out of starts",
        {**states(failed="0x60 1x20"), supervised("last_end_info", cause="gpu_memory"): "_x50 1x30"},
        "chat-0 is out of starts: gpu_memory", {**SUPERVISED, "cause": "gpu_memory"}, CRITICAL,
    ),
    Case(
        "EngineFailed", "its last end, not the one before",
        {
            **states(failed="0x60 1x20"), supervised("last_end_info", cause="killed"): "1x60 stale",
            supervised("last_end_info", cause="hung"): "_x60 1x20",
        },
        "chat-0 is out of starts: hung", {**SUPERVISED, "cause": "hung"}, CRITICAL,
    ),
    Case(
        "EngineFailed", "ended once, and serves again",
        {**states(running="1x80"), supervised("last_end_info", cause="killed"): "1x80"},
    ),
    Case(
        "EngineCrashLooping", "three starts after its first", {supervised("starts_total"): "1x30 2x10 3x10 4x30"},
        "chat-0 has started 3 times anew in a quarter of an hour", SUPERVISED, CRITICAL,
    ),
    Case(
        "EngineCrashLooping", "right after a deploy", {supervised("starts_total"): "9x40 0x3 1x9 2x9 3x9 4x10"},
        "chat-0 has started 3 times anew in a quarter of an hour", SUPERVISED, CRITICAL,
    ),
    Case("EngineCrashLooping", "twice", {supervised("starts_total"): "1x30 2x10 3x40"}),
    Case(
        "EngineCrashLooping", "three deploys", {supervised("starts_total"): "5x30 0x2 1x10 _x2 0x2 1x10 _x2 0x2 1x30"},
    ),
    Case("EngineCrashLooping", "three starts within a day", {supervised("starts_total"): "4x80"}),
    Case(
        "EngineRestarted", "crashed and was started again",
        {supervised("starts_total"): "1x60 2x20", settings("a"): "1x80", START: "100x60 _x5 900x20"},
        "chat-0 has restarted", {"instance": "chat-0", "host": "one"},
    ),
    Case(
        "EngineRestarted", "its container was started again",
        {supervised("starts_total"): "3x60 1x20", settings("a"): "1x80", START: "100x60 _x5 900x20"},
        "chat-0 has restarted", {"instance": "chat-0", "host": "one"},
    ),
    Case(
        "EngineRestarted", "deployed",
        {
            supervised("starts_total"): "1x60 _x2 0x2 1x20", START: "100x60 _x8 900x20",
            settings("a"): "1x60 stale", settings("b"): "_x62 1x20",
        },
    ),
    Case(
        "EngineRestarted", "away and back",
        {supervised("starts_total"): "1x80", settings("a"): "1x80", START: "100x60 _x5 100x15"},
    ),
    Case(
        "EngineRestarted", "longer ago",
        {supervised("starts_total"): "1x10 2x70", settings("a"): "1x80", START: "100x10 900x70"},
    ),
    Case(
        "EngineStartSlow", "nine of ten minutes are over",
        {**states(starting="1x80"), supervised("state_since_seconds"): "660x80"},
        "chat-0 has been starting for 9m 0s", SUPERVISED,
    ),
    Case(
        "EngineStartSlow", "its plan was of another host before",
        {
            **states(starting="1x80"), supervised("state_since_seconds"): "660x80",
            selector("hearth_plan_start_timeout_seconds", {"instance": "chat-0", "model_name": "chat", "host": "old"}): "600x80",
        },
        "chat-0 has been starting for 9m 0s", SUPERVISED,
    ),
    Case("EngineStartSlow", "seven of ten", {**states(starting="1x80"), supervised("state_since_seconds"): "780x80"}),
    Case("EngineStartSlow", "serves for long", {**states(running="1x80"), supervised("state_since_seconds"): "0x80"}),
    Case("EngineStartSlow", "waits for its card", {**states(queued="1x80"), supervised("state_since_seconds"): "0x80"}),
    Case(
        "EngineStalled", "requests and no work", {supervised("stalled_seconds"): "0x70 130x10"},
        "chat-0 has requests and got nothing done for 2m 10s", SUPERVISED, CRITICAL,
    ),
    Case(
        "EngineStalled", "no watchdog is wanted", {supervised("stalled_seconds", "embed"): "0x70 130x10"},
        "embed has requests and got nothing done for 2m 10s", target_labels("supervision", "embed"), CRITICAL,
    ),
    Case("EngineStalled", "one long step", {supervised("stalled_seconds"): "0x70 119x10"}),
    Case("EngineStalled", "was, and goes on", {supervised("stalled_seconds"): "200x79 0x5"}),
)  # fmt: skip

LOAD = (
    Case(
        "EngineQueueGrowing", "over two replicas",
        {
            engine("num_requests_waiting"): "6x80", engine("num_requests_waiting", "chat-1"): "5x80",
            engine("num_requests_running"): "4x80", engine("num_requests_running", "chat-1"): "4x80",
        },
        "11 requests wait for chat, more than its engines work on at once", {"model_name": "chat"},
    ),
    Case(
        "EngineQueueGrowing", "the cache holds fewer than the batch",
        {engine("num_requests_waiting"): "3x80", engine("num_requests_running"): "2x80"},
        "3 requests wait for chat, more than its engines work on at once", {"model_name": "chat"},
    ),
    Case(
        "EngineQueueGrowing", "as many as are worked on, on one replica of two",
        {
            engine("num_requests_waiting"): "8x80", engine("num_requests_waiting", "chat-1"): "0x80",
            engine("num_requests_running"): "4x80", engine("num_requests_running", "chat-1"): "4x80",
        },
    ),
    Case(
        "EngineQueueGrowing", "a burst",
        {engine("num_requests_waiting"): "0x65 50x15", engine("num_requests_running"): "4x80"},
    ),
    Case(
        "EngineQueueGrowing", "another model's engines idle",
        {
            engine("num_requests_waiting"): "9x80", engine("num_requests_running"): "4x80",
            engine("num_requests_waiting", "embed"): "0x80", engine("num_requests_running", "embed"): "50x80",
        },
        "9 requests wait for chat, more than its engines work on at once", {"model_name": "chat"},
    ),
    Case(
        "EngineKvNearlyFull", "97 %", {engine("kv_cache_usage_perc"): "0.97x80"},
        "the KV cache of chat on chat-0 is 97% full", REPLICA,
    ),
    Case("EngineKvNearlyFull", "94 %", {engine("kv_cache_usage_perc"): "0.94x80"}),
    Case("EngineKvNearlyFull", "for a moment", {engine("kv_cache_usage_perc"): "0.5x60 1x20"}),
    Case(
        "EnginePreempting", "one in five seconds", {engine("num_preemptions_total"): "0+3x80"},
        "chat on chat-0 pushes running requests out of its cache", REPLICA,
    ),
    Case("EnginePreempting", "one in fifteen seconds", {engine("num_preemptions_total"): "0+1x80"}),
    Case("EnginePreempting", "restarts and counts anew", {engine("num_preemptions_total"): "9000x40 0x40"}),
    Case(
        "PlanAndEngineApart", "fewer than a tenth below the least", {supervised("kv_cache_tokens"): "80000x80"},
        "chat-0 has room for 80k tokens, and its plan said something else", SUPERVISED,
    ),
    Case(
        "PlanAndEngineApart", "more than a tenth above the most", {supervised("kv_cache_tokens"): "122000x80"},
        "chat-0 has room for 122k tokens, and its plan said something else", SUPERVISED,
    ),
    Case("PlanAndEngineApart", "a little below the least", {supervised("kv_cache_tokens"): "82000x80"}),
    Case("PlanAndEngineApart", "a little above the most", {supervised("kv_cache_tokens"): "120000x80"}),
    Case("PlanAndEngineApart", "nobody planned it", {supervised("kv_cache_tokens", "embed"): "5x80"}),
    Case(
        "PlanAndEngineApart", "planned on another host before",
        {
            supervised("kv_cache_tokens"): "80000x80",
            selector("hearth_plan_kv_cache_tokens_low", {"instance": "chat-0", "model_name": "chat", "host": "old"}): "90000x80",
        },
        "chat-0 has room for 80k tokens, and its plan said something else", SUPERVISED,
    ),
)  # fmt: skip

CASES = (*LIFE, *LOAD)
