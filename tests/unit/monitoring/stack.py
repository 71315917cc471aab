"""A stack with every program that monitoring knows, on two hosts: chats on both, an embeddings engine, cards of both makers."""

from __future__ import annotations

import monitoring

HERE, THERE = "box", "box-2"


def job(name: str, path: str = "/metrics", host: str = HERE, **addresses: str) -> monitoring.Job:
    targets = tuple(
        monitoring.Target(key.replace("_", "-"), address, {"host": host}) for key, address in addresses.items()
    )
    return monitoring.Job(name, path, targets)


def joined(name: str, *parts: monitoring.Job) -> monitoring.Job:
    return monitoring.Job(name, parts[0].metrics_path, tuple(target for part in parts for target in part.targets))


def engine(instance: str, host: str = HERE, model: str = "chat", **more: object) -> monitoring.Engine:
    planned = {"max_sequences": 8, "start_timeout_s": 600.0, "watchdog_s": 300.0, "kv_tokens": (900.0, 1000.0, 1100.0)}
    return monitoring.Engine(instance, model, "chat", host, **{**planned, "concurrency": 5.5, **more})  # type: ignore[arg-type] # a mapping's values are of several types


PROBES = monitoring.Job(
    "probes",
    "/probe",
    (
        monitoring.Target("open-webui", "http://open-webui:8080/health", {"host": HERE, "service": "open_webui"}),
        monitoring.Target("nginx", "http://nginx:8080/healthz", {"host": HERE, "service": "nginx"}),
        monitoring.Target("public-address", "https://chat.example.com", {"host": HERE, "service": "public_address"}),
    ),
    through="blackbox-exporter:9115",
)

EVERYTHING = monitoring.Subjects(
    stack="test",
    jobs=(
        job("alertmanager", alertmanager="alertmanager:9093"),
        job("amd_exporter", host=THERE, amd_exporter="10.0.0.8:5000"),
        job("blackbox_exporter", blackbox_exporter="blackbox-exporter:9115"),
        job("cadvisor", cadvisor="cadvisor:8080"),
        job("dcgm_exporter", dcgm_exporter="dcgm-exporter:9400"),
        job("grafana", grafana="grafana:3000"),
        job("litellm", "/metrics/", litellm="litellm:4000"),
        job("nginx_exporter", nginx_exporter="nginx-exporter:9113"),
        job("node_exporter", node_exporter="10.0.0.7:9100"),
        PROBES,
        job("prometheus", prometheus="prometheus:9090"),
        joined(
            "supervision",
            job("", embed="embed:8001", chat_0="chat-0:8001"),
            job("", host=THERE, chat_1="10.0.0.8:18002"),
        ),
        joined("vllm", job("", embed="embed:8000", chat_0="chat-0:8000"), job("", host=THERE, chat_1="10.0.0.8:18001")),
    ),
    chat_models=("chat",),
    embedding_models=("embed",),
    runbook_url="docs/runbooks",
    engines=(
        engine("chat-0", cards=("0",), weights_bytes=15e9),
        engine("chat-1", THERE, cards=("0",), weights_bytes=15e9),
        engine("embed", model="embed", kv_tokens=None, concurrency=None, memory_bytes=1e9, watchdog_s=0.0),
    ),
    cards=(
        monitoring.Card(HERE, "0", "nvidia", 80e9, 70e9),
        monitoring.Card(HERE, "1", "nvidia", 80e9, 0.0),
        monitoring.Card(THERE, "0", "amd", 190e9, 150e9),
    ),
)
