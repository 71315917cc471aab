"""The gateway: one OpenAI-compatible address with a key for every model."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from pydantic import Field

from infra.config.secrets import SecretRef
from infra.config.types import DurationS
from infra.services.base import ConfigFile, Context, Endpoint, Probe, Reach, Scope, Service, Settings, Workload
from infra.services.files import yaml_text

PORT: Final = 4000
_CONFIG: Final = "/etc/litellm/config.yaml"
# LiteLLM's words for what a model does (docs.litellm.ai, "model_info").
_MODES: Final = {"chat": "chat", "embedding": "embedding", "score": "rerank"}


class LitellmSettings(Settings):
    """hearth:gateway."""

    request_timeout: DurationS = Field(
        default=600,
        description="longest answer, as in 10min (default 10min: LiteLLM's own 100 min hides a hung engine)",
    )
    retries: int = Field(
        default=2,
        ge=0,
        description="tries after a failed one, as LiteLLM's num_retries (default 2: one engine may be restarting)",
    )


class Litellm(Service[LitellmSettings]):
    """LiteLLM in front of every engine."""

    name: ClassVar[str] = "litellm"
    section: ClassVar[str] = "gateway"
    official_image: ClassVar[str] = "ghcr.io/berriai/litellm:v1.102.4"
    settings_type = LitellmSettings

    def endpoints(self, settings: LitellmSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return the gateway's endpoint."""
        return (Endpoint(self.name, "litellm", self.host(settings, scope.config), PORT, metrics_path="/metrics/"),)

    def reaches(self, settings: LitellmSettings, context: Context) -> tuple[Reach, ...]:
        """Return the engines, or the balancer before several."""
        del settings
        balancers = context.of("load_balancer")[:1]
        direct = [endpoint for endpoint in context.of("vllm") if not (balancers and _is_balanced(endpoint, context))]
        behind = balancers if len(direct) < len(context.of("vllm")) else ()
        return tuple(Reach.to(endpoint) for endpoint in (*direct, *behind))

    def workloads(self, settings: LitellmSettings, context: Context) -> tuple[Workload, ...]:
        """Return the gateway with its rendered config.yaml."""
        return (
            Workload(
                instance="litellm",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=("litellm", "--config", _CONFIG, "--host", "0.0.0.0", "--port", str(PORT)),  # noqa: S104 - container
                restart=settings.restart or context.config.restart,
                environment={
                    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                    "LITELLM_MODE": "PRODUCTION",
                    "NO_DOCS": "True",
                    **settings.environment,
                },
                secret_environment={
                    "LITELLM_MASTER_KEY": SecretRef("gatewayMasterKey"),
                    "ENGINE_KEY": SecretRef("engineKey"),
                },
                files=(ConfigFile(_CONFIG, yaml_text(_config(settings, context))),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/health/readiness", client="python3"),
                memory_bytes=settings.memory,
            ),
        )


def _config(settings: LitellmSettings, context: Context) -> dict[str, Any]:
    return {
        "model_list": [_deployment(name, model, context) for name, model in context.served().items()],
        "litellm_settings": {
            "callbacks": ["prometheus"],
            # One series per client would fill Prometheus. Dropped there, clients that differ in nothing else would be one
            # series with the numbers of whichever comes last; here they are counted together.
            "prometheus_exclude_labels": ["client_ip", "user_agent"],
            "drop_params": True,
            "request_timeout": settings.request_timeout,
            # The metrics are reachable on the stack's own network only; the front door passes /v1 and nothing else.
            "require_auth_for_metrics_endpoint": False,
            "telemetry": False,
        },
        "router_settings": {"num_retries": settings.retries, "routing_strategy": "simple-shuffle"},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


def _deployment(name: str, served_by: str, context: Context) -> dict[str, Any]:
    model = context.config.models[served_by]
    limits = {"max_input_tokens": model.context} if model.context else {}
    return {
        "model_name": name,
        "litellm_params": {
            "model": f"hosted_vllm/{name}",
            "api_base": _base_url(served_by, context),
            "api_key": "os.environ/ENGINE_KEY",
        },
        "model_info": {"id": name, "mode": _MODES[model.kind], **limits},
    }


def _is_balanced(endpoint: Endpoint, context: Context) -> bool:
    """Whether an engine is one of several, behind the load balancer."""
    return context.config.models[endpoint.labels["model"]].replicas > 1


def _base_url(name: str, context: Context) -> str:
    """One engine is asked directly; several stand behind the load balancer."""
    balancers = context.of("load_balancer")
    engines = [endpoint for endpoint in context.of("vllm") if endpoint.labels["model"] == name]
    if engines and balancers and _is_balanced(engines[0], context):
        return f"http://{balancers[0].address}/engines/{name}/v1"
    return f"http://{engines[0].address}/v1" if engines else f"http://{name}/v1"
