"""Names and thresholds that queries, alerts and dashboards share, each with its reason."""

from __future__ import annotations

from typing import Final

ENGINES: Final = "vllm"
SUPERVISION: Final = "supervision"  # what the engines' entry points say of them
GATEWAY: Final = "litellm"
NODE: Final = "node_exporter"
PROMETHEUS: Final = "prometheus"
ALERTMANAGER: Final = "alertmanager"

WINDOW: Final = "5m"  # of every rate: smooth enough for a few requests a minute, short enough to see a change
# Rates of WINDOW need five scrapes in it: one may be lost without a gap, and no alert goes blind.
MAX_SCRAPE_INTERVAL_S: Final = 60
# Only what users ask for: a refused scrape or a health probe is no failed request.
ROUTES: Final = "/v1/.*|/chat/completions|/embeddings"

TTFT_SLOW_S: Final = 2.0  # people call a chat slow when nothing comes for one to two seconds
QUEUE_LONG: Final = 10  # requests waiting per model: more than a full batch of a small engine
KV_NEARLY_FULL: Final = 0.95  # vLLM preempts running requests when the cache is full
PREEMPTIONS_PER_S: Final = 0.1  # one in ten seconds: work is being done twice
ERROR_SHARE: Final = 0.05  # one request in twenty fails
# Held in memory, or made of another file system: their fill says nothing of a disk.
NO_DISK: Final = "tmpfs|ramfs|overlay|squashfs"
DISK_FREE_SHARE: Final = 0.10  # model weights and images come in tens of gigabytes
MEMORY_FREE_SHARE: Final = 0.05  # below, the kernel ends the largest container: an engine
