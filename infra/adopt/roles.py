"""Which of Hearth's services a container is, by its image and by what it runs."""

from __future__ import annotations

import re
from typing import Final

from infra.adopt.service import Service

ENGINE: Final = "vllm"
# In this order: an exporter for nginx has both names.
_REPOSITORIES: Final = (
    (r"nginx-(prometheus-)?exporter", "nginx_exporter"),
    (r"dcgm-exporter", "dcgm_exporter"),
    (r"device-metrics-exporter", "amd_exporter"),
    (r"blackbox[-_]exporter", "blackbox_exporter"),
    (r"node[-_]exporter", "node_exporter"),
    (r"cadvisor", "cadvisor"),
    (r"alertmanager", "alertmanager"),
    (r"open-?webui", "open_webui"),
    (r"litellm", "litellm"),
    (r"vllm", ENGINE),
    (r"(^|/)grafana(-oss|-enterprise)?$", "grafana"),
    (r"(^|/)prometheus$", "prometheus"),
    (r"(^|/)nginx(-unprivileged|-alpine)?$", "nginx"),
)
_ADVICE: Final = (
    (r"postgres|timescale|mariadb|mysql",
     "a database; Hearth's gateway has none: LiteLLM's virtual keys and spend stay behind, the master key opens every model"),
    (r"redis|valkey|keydb", "a cache; Hearth's gateway answers every request from an engine"),
    (r"ollama|llama\.?cpp|llama-server|sglang|text-generation|lmdeploy|tabby|localai|lm-?studio",
     "another engine; Hearth's are vLLM. Serve the same model with vLLM, or leave it beside"),
    (r"traefik|caddy|haproxy|envoy|cloudflared|nginx-proxy|certbot",
     "another front door; let it pass to Hearth's (hearth:edge.expose), which speaks plain HTTP"),
    (r"qdrant|chroma|milvus|weaviate|pgvector|searxng|tika|docling|whisper|speaches|kokoro|comfyui|pipelines|mcpo",
     "a helper of the UI; leave it in its compose file and name its address in hearth:ui.environment"),
    (r"loki|promtail|alloy|tempo|otel|jaeger|langfuse|fluent|vector",
     "logs or traces; leave it in its compose file: Hearth's containers log to json-file"),
    (r"watchtower|portainer|diun|dozzle", "it changes or shows containers behind Hearth's back; watchtower would undo pins"),
)  # fmt: skip


def role_of(service: Service) -> str | None:
    """Return the name of Hearth's service that a container is; None where it is none of them."""
    repository = service.repository.lower()
    for pattern, role in _REPOSITORIES:
        if re.search(pattern, repository):
            return role
    words = [word.rpartition("/")[2] for word in service.argv]
    if "vllm" in words or any(word.startswith("vllm.entrypoints") for word in words):
        return ENGINE
    if "litellm" in words[:1]:
        return "litellm"
    # Built here: the folder it is built from, or variables that only vLLM reads.
    is_built_engine = not repository and ("vllm" in service.build.lower() or "--model" in words)
    return ENGINE if is_built_engine or any(name.startswith("VLLM_CPU_") for name in service.environment) else None


def advice_for(service: Service) -> str:
    """Return what to do with a service that has no place in Hearth."""
    named = f"{service.repository or service.build} {service.name}".lower()
    known = next((text for pattern, text in _ADVICE if re.search(pattern, named)), None)
    return known or "unknown to Hearth; leave it in its compose file, which can go on beside the stack"


def device_of(service: Service) -> str:
    """Return cuda, rocm or cpu: what an engine's image is made for."""
    named = f"{service.image} {service.build}".lower()
    if "cpu" in named or any(name.startswith("VLLM_CPU_") for name in service.environment):
        return "cpu"
    return "rocm" if "rocm" in named else "cuda"
