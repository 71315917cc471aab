"""Names and thresholds that queries, alerts and dashboards share, each with its reason."""

from __future__ import annotations

from typing import Final

ENGINES: Final = "vllm"
GATEWAY: Final = "litellm"
NODE: Final = "node_exporter"
PROMETHEUS: Final = "prometheus"

# Four scrapes of 15 s: fewer make rate() jump with every missed one.
WINDOW: Final = "5m"
# Only what users ask for: a refused scrape or a health probe is no failed request.
ROUTES: Final = "/v1/.*|/chat/completions|/embeddings"

TTFT_SLOW_S: Final = 2.0  # people call a chat slow when nothing comes for one to two seconds
QUEUE_LONG: Final = 10  # requests waiting per model: more than a full batch of a small engine
KV_NEARLY_FULL: Final = 0.95  # vLLM preempts running requests when the cache is full
PREEMPTIONS_PER_S: Final = 0.1  # one in ten seconds: work is being done twice
ERROR_SHARE: Final = 0.05  # one request in twenty fails
DISK_FREE_SHARE: Final = 0.10  # model weights and images come in tens of gigabytes
MEMORY_FREE_SHARE: Final = 0.05  # below, the kernel ends the largest container: an engine
