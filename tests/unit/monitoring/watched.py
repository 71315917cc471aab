"""A stack in which every kind of program runs, on two hosts: what the tests of monitoring watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import monitoring

GIB: Final = 2**30
CARD_0: Final = "GPU-00000000-0000-0000-0000-000000000000"
CARD_1: Final = "GPU-11111111-1111-1111-1111-111111111111"
AMD_CARD: Final = "ccff74a1-0000-1000-80e0-c6d49f5b0d86"
ENGINES: Final = {
    "chat-0": ("chat", "chat", "one"),
    "chat-1": ("chat", "chat", "two"),
    "embed": ("embed", "embedding", "one"),
}

_PROGRAMS: Final = {
    "alertmanager": (("alertmanager", "one"),),
    "amd_exporter": (("amd-exporter", "two"),),
    "blackbox_exporter": (("blackbox-exporter", "one"),),
    "cadvisor": (("cadvisor", "one"),),
    "dcgm_exporter": (("dcgm-exporter", "one"),),
    "grafana": (("grafana", "one"),),
    "litellm": (("litellm", "one"),),
    "nginx_exporter": (("nginx-exporter", "two"),),
    "node_exporter": (("node-exporter", "one"), ("node-exporter-two", "two")),
    "prometheus": (("prometheus", "one"),),
}
_PAGES: Final = (
    ("nginx", "nginx", "two", "http://nginx:8080/healthz"),
    ("open_webui", "open-webui", "one", "http://open-webui:8080/health"),
    ("public_address", "public-address", "two", "https://chat.example.com"),
)


def everything() -> monitoring.Subjects:
    """A stack with two chat engines, one for embeddings, cards of both makers by number, and everything else."""
    return monitoring.Subjects(
        stack="test",
        jobs=tuple(sorted((*_engine_jobs(), *_program_jobs(), _probes()), key=lambda job: job.name)),
        chat_models=("chat",),
        embedding_models=("embed",),
        runbook_url="docs/runbooks",
        engines=(
            _engine("chat-0", cards=("0",)),
            _engine("chat-1", cards=("0",)),
            monitoring.Engine("embed", "embed", "embedding", "one", 300, memory_bytes=8 * GIB),
        ),
        cards=cards("0", "1", "0"),
    )


def by_uuid() -> monitoring.Subjects:
    """The same stack; NVIDIA's cards are named by UUID."""
    return replace(everything(), cards=cards(CARD_0, CARD_1, "0"))


def named_both_ways() -> monitoring.Subjects:
    """The same stack; of each maker some card is named by number and some by UUID."""
    return replace(everything(), cards=cards("0", CARD_1, AMD_CARD))


def without(*jobs: str) -> monitoring.Subjects:
    """The same stack without these programs."""
    full = everything()
    return replace(full, jobs=tuple(job for job in full.jobs if job.name not in jobs))


def nothing() -> monitoring.Subjects:
    """A stack of which nothing is known."""
    return monitoring.Subjects("test", (), (), (), "docs/runbooks")


def target_labels(job: str, instance: str) -> dict[str, str]:
    """The labels that every series of a target has."""
    (found,) = (
        target.labels
        for known in everything().jobs
        for target in known.targets
        if (known.name, target.instance) == (job, instance)
    )
    return {"job": job, "instance": instance, **found}


def cards(nvidia_0: str, nvidia_1: str, amd: str) -> tuple[monitoring.Card, ...]:
    """Two cards of NVIDIA's on the first host, and one of AMD's on the second."""
    return (
        monitoring.Card("one", nvidia_0, "nvidia", 80 * GIB, 70 * GIB),
        monitoring.Card("one", nvidia_1, "nvidia", 80 * GIB, 0),
        monitoring.Card("two", amd, "amd", 192 * GIB, 170 * GIB),
    )


def _engine(instance: str, **known: object) -> monitoring.Engine:
    model, kind, host = ENGINES[instance]
    planned = monitoring.Engine(
        instance, model, kind, host, 600, watchdog_s=300, kv_tokens=(90_000, 100_000, 110_000),
        concurrency=12.5, weights_bytes=16 * GIB,
    )  # fmt: skip
    return replace(planned, **known)  # type: ignore[arg-type]  # fields of an engine, by name


def _engine_jobs() -> tuple[monitoring.Job, ...]:
    def job(name: str, port: int) -> monitoring.Job:
        targets = tuple(
            monitoring.Target(
                instance, f"{instance}:{port}", {"host": host, "service": name, "kind": kind, "model": model}
            )
            for instance, (model, kind, host) in ENGINES.items()
        )
        return monitoring.Job(name, "/metrics", targets)

    return (job("vllm", 8000), job("supervision", 8001))


def _program_jobs() -> tuple[monitoring.Job, ...]:
    def target(name: str, instance: str, host: str) -> monitoring.Target:
        return monitoring.Target(instance, f"{instance}:9000", _labels(name, host))

    return tuple(
        monitoring.Job(
            name,
            "/metrics/" if name == "litellm" else "/metrics",
            tuple(target(name, instance, host) for instance, host in targets),
        )
        for name, targets in _PROGRAMS.items()
    )


def _probes() -> monitoring.Job:
    targets = tuple(monitoring.Target(instance, url, _labels(service, host)) for service, instance, host, url in _PAGES)
    return monitoring.Job("probes", "/probe", targets, through="blackbox-exporter:9115")


def _labels(service: str, host: str) -> Mapping[str, str]:
    return {"host": host, "service": service}
