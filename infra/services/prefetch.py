"""The weights: fetched once per host and model, before the engines that need them are touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from pydantic import Field

from infra.config.restart import Restart
from infra.config.schema import StackConfig
from infra.config.secrets import SecretRef
from infra.config.types import SizeBytes
from infra.errors import Finding
from infra.plan.fetching import HUB_HOME, Fetch, fetches, is_fetched
from infra.services.base import ConfigFile, Context, Endpoint, Scope, Service, Settings, Volume, Workload
from infra.services.engine_image import IMAGES, image_for
from infra.services.files import assets, json_lines

_ENGINES: Final = "vllm"
_PACKAGE: Final = "/opt/hearth"
_SETTINGS: Final = "/etc/hearth/fetch.json"
# It tries again by itself where the network fails; this is for a daemon or a host that stops under it.
_RESTART: Final = Restart(policy="on-failure", start_limit_burst=3)
# A client and four streams take less than a tenth of it.
_MEMORY_BYTES: Final = 2**30
# What a hub takes that answers late; the plan's estimate is for a slow line already.
_LEAST_S: Final = 1800.0
# What a proxy or a mirror needs is told to the engine, and meant for both.
_NETWORK: Final = frozenset(
    {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "requests_ca_bundle"}
)


class PrefetchSettings(Settings):
    """hearth:prefetch: how weights are fetched from the hub; without it engines fetch for themselves."""

    spare: SizeBytes = Field(
        default=5 * 2**30,
        description="free disk that must be left, as in 20GiB (default 5GiB: what else the host writes meanwhile)",
    )
    endpoint: str | None = Field(
        default=None, description="address of a mirror of the hub, as in https://hub.example.com"
    )
    tries: int = Field(
        default=6,
        ge=1,
        description="tries in a row that bring nothing before it fails (default 6: waits grow from 2 s to a minute in all)",
    )
    streams: int = Field(
        default=4, ge=1, le=32, description="files that are fetched at once (default 4: one alone rarely fills a line)"
    )


class Prefetch(Service[PrefetchSettings]):
    """One container per host and model, which ends when all files are in the hub cache."""

    name: ClassVar[str] = "prefetch"
    section: ClassVar[str] = "prefetch"
    official_image: ClassVar[str] = IMAGES["cuda"]
    settings_type = PrefetchSettings

    def runs(self, settings: PrefetchSettings, config: StackConfig) -> bool:
        """Whether there is anything to fetch."""
        return settings.enabled and any(is_fetched(model) for model in config.models.values())

    def absence(self, config: StackConfig) -> Finding | None:
        """Say nothing: it runs in the images of the engines."""
        del config
        return None

    def endpoints(self, settings: PrefetchSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return none: it serves nothing."""
        del settings, scope
        return ()

    def hosts(self, settings: PrefetchSettings, scope: Scope) -> tuple[str, ...]:
        """Return the hosts that weights are fetched to."""
        del settings
        return tuple(dict.fromkeys(step.host for step in fetches(scope.config, scope.plan)))

    def findings(self, settings: PrefetchSettings, context: Context) -> tuple[Finding, ...]:
        """Refuse what has no meaning for a program that runs to its end, on each engine's host."""
        del context
        found = [
            Finding(
                f"hearth:prefetch.{key}", "has no meaning: it serves nothing, on every host with engines", "remove it"
            )
            for key in ("place", "expose", "expose_address")
            if key in settings.model_fields_set
        ]
        if settings.restart is not None and settings.restart.policy == "always":
            problem = "is always, which would fetch again for ever"
            found.append(Finding("hearth:prefetch.restart.policy", problem, "write on-failure"))
        return tuple(found)

    def workloads(self, settings: PrefetchSettings, context: Context) -> tuple[Workload, ...]:
        """Return one step per host and model."""
        return tuple(self._step(settings, context, step) for step in fetches(context.config, context.plan))

    def _step(self, settings: PrefetchSettings, context: Context, step: Fetch) -> Workload:
        config = context.config
        model = config.models[step.models[0]]
        engines = context.settings[_ENGINES].environment if _ENGINES in context.settings else {}
        restart = settings.restart or _RESTART
        return Workload(
            instance=step.instance,
            service=self.name,
            host=step.host,
            image=config.images.get(self.name) or image_for(model, config),
            command=("python3", "-m", "fetcher.fetch", _SETTINGS),
            restart=restart,
            environment={**_environment(settings, {**engines, **model.environment}), **settings.environment},
            secret_environment={"HF_TOKEN": SecretRef("hfToken")} if step.is_gated else {},
            files=(
                *(ConfigFile(f"{_PACKAGE}/fetcher/{name}", text) for name, text in assets("fetcher").items()),
                ConfigFile(_SETTINGS, json_lines(_settings(settings, step))),
            ),
            volumes=(Volume("hub-cache", HUB_HOME),),
            start_timeout_s=restart.timeout_start or max(_LEAST_S, step.estimate_s),
            memory_bytes=settings.memory or _MEMORY_BYTES,
            # Says whose image it is; it takes no card.
            device=model.device,
            one_shot=True,
        )


def _settings(settings: PrefetchSettings, step: Fetch) -> dict[str, object]:
    return {
        "cache": HUB_HOME,
        "host": step.host,
        "spare_bytes": settings.spare,
        "tries": settings.tries,
        "streams": settings.streams,
        "repositories": [{**vars(files), "link": files.link} for files in step.files],
    }


def _environment(settings: PrefetchSettings, engine: Mapping[str, str]) -> dict[str, str]:
    handed = {name: value for name, value in engine.items() if name.startswith("HF_") or name.lower() in _NETWORK}
    return {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": _PACKAGE,
        **handed,
        "HF_HOME": HUB_HOME,
        **({"HF_ENDPOINT": settings.endpoint} if settings.endpoint else {}),
    }
