"""Names and thresholds that queries, alerts and dashboards share, each with its reason."""

from __future__ import annotations

from typing import Final

ENGINES: Final = "vllm"
SUPERVISION: Final = "supervision"  # what the engines' entry points say of them
GATEWAY: Final = "litellm"
UI: Final = "open_webui"
FRONT_DOOR: Final = "nginx"
PUBLIC: Final = "public_address"  # the address that people use, with its certificate
NODE: Final = "node_exporter"
CONTAINERS: Final = "cadvisor"
NVIDIA: Final = "dcgm_exporter"
AMD: Final = "amd_exporter"
CONNECTIONS: Final = "nginx_exporter"
PROBES: Final = "probes"  # what a client without a key gets to see, asked by the blackbox exporter
PROMETHEUS: Final = "prometheus"
ALERTMANAGER: Final = "alertmanager"

WINDOW: Final = "5m"  # of every rate: smooth enough for a few requests a minute, short enough to see a change
# Rates of WINDOW need five scrapes in it: one may be lost without a gap, and no alert goes blind.
MAX_SCRAPE_INTERVAL_S: Final = 60
# Only what users ask for: a refused scrape or a health probe is no failed request.
ROUTES: Final = "/v1/.*|/chat/completions|/embeddings"

KV_NEARLY_FULL: Final = 0.95  # vLLM preempts running requests when the cache is full
PREEMPTIONS_PER_S: Final = 0.1  # one in ten seconds: work is being done twice
# Of the watchdog's time, after which the engine is ended: people hear of it before. Without a watchdog, of the five minutes
# after which vLLM itself gives up on one step (VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS, vllm/envs.py).
STALLED_SHARE: Final = 0.4
LONGEST_STEP_S: Final = 300
STARTS_LOOPING: Final = 3  # starts in a quarter of an hour: one restart may be an accident, two are a pattern
START_BUDGET_SHARE: Final = 0.8  # of the planned time-out: late, and not given up yet
# The ledger says that an engine ends between its bounds; a tenth beyond them is no rounding (docs/accuracy.md: 0.6 to 4.7 %).
APART_SHARE: Final = 0.1
ERROR_SHARE: Final = 0.05  # one request in twenty fails
# Held in memory, or made of another file system: their fill says nothing of a disk.
NO_DISK: Final = "tmpfs|ramfs|overlay|squashfs"
DISK_FREE_SHARE: Final = 0.10  # model weights and images come in tens of gigabytes
# A day's growth is foreseen only on a disk that is filling: every busy disk has a slope.
DISK_WATCHED_SHARE: Final = 0.40
DISK_AHEAD_S: Final = 24 * 3600
# Replaced rows of a card that are new: somebody has a day to look at it.
ROWS_WINDOW: Final = "1d"
# A program of the card was ended, by a signal or by a fault before (NVIDIA, "Xid errors", 45: preemptive cleanup): its
# engine's own alerts tell of it.
XID_CLEANUP: Final = 45
MEMORY_FREE_SHARE: Final = 0.05  # below, the kernel ends the largest container: an engine
CERTIFICATE_DAYS: Final = 14  # ACME clients renew 30 days before the end: two weeks on, something is broken
CERTIFICATE_LAST_DAYS: Final = 3
# Data-centre cards slow themselves down from about 87 to 90 °C (nvidia-smi -q -d TEMPERATURE, "GPU Slowdown Temp").
CARD_HOT_CELSIUS: Final = 85
# The hottest of an AMD card's sensors; Instinct cards slow down from about 100 °C there (amd-smi static --limit).
JUNCTION_HOT_CELSIUS: Final = 95
# DCGM tells what it can't read by numbers near 2^63 (dcgm-exporter, "blank" values).
CARD_BLANK: Final = "1e18"
