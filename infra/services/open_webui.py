"""The web UI. Everything comes from the declaration: settings that its database remembers are switched off."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from infra.config.secrets import SecretRef
from infra.config.types import Slug
from infra.errors import Finding
from infra.services.base import ConfigFile, Context, Endpoint, Probe, Reach, Scope, Service, Settings, Volume, Workload
from infra.services.files import asset

PORT: Final = 8080
_START: Final = "/opt/hearth/start.sh"


class OpenWebuiSettings(Settings):
    """hearth:ui."""

    default_model: Slug | None = Field(default=None, description="chat model that is chosen first")
    embedding_model: Slug | None = Field(default=None, description="model that finds passages in uploaded files")
    sign_up: bool = Field(
        default=False,
        description="whether anybody who reaches the page may make an account (default no: the first account is the admin's)",
    )
    admin_email: str = Field(
        default="admin@example.com",
        description="first account, made at the first start (default: a name that is no real mailbox)",
    )
    title: str = Field(
        default="Hearth", description="name shown in the page (default Hearth: it is visibly yours to change)"
    )
    public_url: str | None = Field(default=None, description="address people use, as in https://chat.example.com")


class OpenWebui(Service[OpenWebuiSettings]):
    """Open WebUI behind the front door, with the gateway as its only provider."""

    name: ClassVar[str] = "open_webui"
    section: ClassVar[str] = "ui"
    official_image: ClassVar[str] = "ghcr.io/open-webui/open-webui:v0.12.4"
    settings_type = OpenWebuiSettings

    def endpoints(self, settings: OpenWebuiSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return the UI's endpoint, which has no metrics to scrape, and the address that people use."""
        host = self.host(settings, scope.config)
        page = Endpoint(self.name, "open-webui", host, PORT, probe_url=f"http://open-webui:{PORT}/health")
        if settings.public_url is None:
            return (page,)
        # Asked for its certificate: what stands before the front door isn't part of the stack.
        return (page, Endpoint("public_address", "public-address", host, PORT, probe_url=settings.public_url))

    def reaches(self, settings: OpenWebuiSettings, context: Context) -> tuple[Reach, ...]:
        """Return the gateway."""
        del settings
        return tuple(Reach.to(endpoint) for endpoint in context.of("litellm")[:1])

    def workloads(self, settings: OpenWebuiSettings, context: Context) -> tuple[Workload, ...]:
        """Return the UI with its data volume."""
        return (
            Workload(
                instance="open-webui",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=("/bin/sh", _START) if settings.sign_up else ("bash", "start.sh"),
                restart=settings.restart or context.config.restart,
                environment={**_environment(settings, context), **settings.environment},
                secret_environment={
                    "OPENAI_API_KEY": SecretRef("gatewayMasterKey"),
                    "RAG_OPENAI_API_KEY": SecretRef("gatewayMasterKey"),
                    "WEBUI_SECRET_KEY": SecretRef("uiSecretKey"),
                    "WEBUI_ADMIN_PASSWORD": SecretRef("uiAdminPassword"),
                },
                files=(ConfigFile(_START, asset("open_webui_start.sh")),) if settings.sign_up else (),
                volumes=(Volume("open-webui-data", "/app/backend/data"),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/health"),
                memory_bytes=settings.memory,
            ),
        )

    def findings(self, settings: OpenWebuiSettings, context: Context) -> tuple[Finding, ...]:
        """Check the models that the settings name."""
        found = []
        for key, name, kind in (
            ("default_model", settings.default_model, "chat"),
            ("embedding_model", settings.embedding_model, "embedding"),
        ):
            known = [known for known, model in context.served().items() if model in context.models(kind)]
            if name is not None and name not in known:
                fix = f"name one of: {', '.join(known) or 'none is declared'}"
                found.append(Finding(f"hearth:ui.{key}", f"no {kind} model is named {name!r}", fix))
        return tuple(found)


def _environment(settings: OpenWebuiSettings, context: Context) -> dict[str, str]:
    gateways = context.of("litellm")
    gateway = f"http://{gateways[0].address}/v1" if gateways else ""
    return {
        "DATA_DIR": "/app/backend/data",
        "PORT": str(PORT),
        "ENV": "prod",
        # With persistence on, values of the first start in its database win over this declaration for ever.
        "ENABLE_PERSISTENT_CONFIG": "false",
        "ENABLE_SIGNUP": str(settings.sign_up).lower(),
        "DEFAULT_USER_ROLE": "user",
        "BYPASS_MODEL_ACCESS_CONTROL": "true",
        "ENABLE_API_KEYS": "true",
        "WEBUI_NAME": settings.title,
        "WEBUI_URL": settings.public_url or "",
        "WEBUI_ADMIN_EMAIL": settings.admin_email,
        "ENABLE_OPENAI_API": "true",
        "OPENAI_API_BASE_URL": gateway,
        "ENABLE_OLLAMA_API": "false",
        "DEFAULT_MODELS": settings.default_model or next(iter(context.models("chat")), ""),
        **_retrieval(settings, gateway),
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ENABLE_COMMUNITY_SHARING": "false",
        "ANONYMIZED_TELEMETRY": "false",
        "DO_NOT_TRACK": "true",
    }


def _retrieval(settings: OpenWebuiSettings, gateway: str) -> dict[str, str]:
    """The engine `openai` keeps it from loading an embedding model of its own, which aborts an offline first start."""
    if settings.embedding_model is None:
        return {"RAG_EMBEDDING_ENGINE": "openai", "BYPASS_EMBEDDING_AND_RETRIEVAL": "true"}
    return {
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_OPENAI_API_BASE_URL": gateway,
        "RAG_EMBEDDING_MODEL": settings.embedding_model,
    }
