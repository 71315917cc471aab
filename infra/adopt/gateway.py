"""LiteLLM of a compose project: the names that clients use, and hearth:gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from infra.adopt.compose_file import ComposeError, read_yaml
from infra.adopt.engine import Engine
from infra.adopt.service import Service
from infra.adopt.told import Told, shown

_KINDS: Final = {"embedding": "embedding", "rerank": "score"}
_HERE: Final = frozenset({"localhost", "127.0.0.1", "host.docker.internal", "172.17.0.1"})
# vLLM's own default.
_ENGINE_PORT: Final = 8000
_SECTIONS: Final = ("litellm_settings", "router_settings", "general_settings")
# What hearth:gateway has a field for, or Hearth's own rendering sets.
_FIELDS: Final = {"num_retries": "retries", "request_timeout": "request_timeout", "timeout": "request_timeout"}
_RENDERED: Final = frozenset(
    {"master_key", "drop_params", "telemetry", "set_verbose", "json_logs", "callbacks", "success_callback",
     "failure_callback", "routing_strategy"}
)  # fmt: skip
_PARAMETERS: Final = frozenset({"model", "api_base", "base_url", "api_key", "custom_llm_provider"})
_REFERENCE: Final = "os.environ/"


@dataclass(frozen=True)
class Route:
    """One entry of model_list that leads to an engine of the project: the name that clients ask for."""

    name: str
    engine: str
    kind: str | None


@dataclass(frozen=True)
class Gateway:
    """What a project's LiteLLM says: its routes to engines, the section, and whether its model_list could be read."""

    routes: tuple[Route, ...]
    section: Mapping[str, Any]
    is_read: bool

    def names_of(self, engine: str) -> list[str]:
        """Return the names that lead to an engine, in the file's order."""
        return list(dict.fromkeys(route.name for route in self.routes if route.engine == engine))

    def kind_of(self, engine: str) -> str | None:
        """Return what LiteLLM takes an engine's model for; None where it doesn't say."""
        return next((route.kind for route in self.routes if route.engine == engine and route.kind), None)


def gateway_of(service: Service, engines: Sequence[Engine], told: Told) -> Gateway:
    """Read LiteLLM's config.yaml where it is mounted, and say what of it isn't carried."""
    told.secret("gatewayMasterKey", service, "LITELLM_MASTER_KEY")
    file = _config_file(service)
    document = _document(file, service, told)
    if document is None:
        return Gateway((), _section({}, service, told), is_read=False)
    routes = tuple(_routes(document.get("model_list"), service, engines, told))
    general = document.get("general_settings")
    key = general.get("master_key") if isinstance(general, Mapping) else None
    if isinstance(key, str) and not key.startswith(_REFERENCE):
        told.secret("gatewayMasterKey", service, "general_settings.master_key", key)
    return Gateway(routes, _section(document, service, told), is_read=True)


def _config_file(service: Service) -> Path | None:
    words = service.argv
    inside = next((words[n + 1] for n, word in enumerate(words[:-1]) if word in {"--config", "-c"}), None)
    inside = inside or next((word.partition("=")[2] for word in words if word.startswith("--config=")), None)
    inside = inside or service.environment.get("CONFIG_FILE_PATH")
    if inside is not None:
        # LiteLLM's image works in /app.
        return service.host_path(inside if inside.startswith("/") else f"/app/{inside}")
    mounted = [mount for mount in service.mounts if mount.kind == "bind" and mount.target.endswith((".yaml", ".yml"))]
    return Path(mounted[0].source) if mounted else None


def _document(file: Path | None, service: Service, told: Told) -> Mapping[str, Any] | None:
    if file is None:
        told.no_place(service.name, "its config.yaml is mounted from nowhere: whatever model_list says isn't known")
        return None
    try:
        document = read_yaml(file)
    except ComposeError as error:
        told.no_place(service.name, f"its {file.name} isn't known: {error.finding.problem}")
        return None
    return document if isinstance(document, Mapping) else {}


def _routes(entries: Any, service: Service, engines: Sequence[Engine], told: Told) -> Iterator[Route]:
    for entry in entries if isinstance(entries, list) else ():
        given = entry.get("litellm_params") if isinstance(entry, Mapping) else None
        parameters = given if isinstance(given, Mapping) else {}
        name = str(entry.get("model_name", "?")) if isinstance(entry, Mapping) else "?"
        engine = _engine(parameters, service, engines)
        if engine is None:
            model = shown(str(parameters.get("model", "?")))
            told.no_place(service.name, f"model_list {name} ({model}): it leads to no engine of this project, and every model "
                          "of Hearth's gateway has one")  # fmt: skip
            continue
        more = sorted(str(key) for key in parameters if key not in _PARAMETERS)
        if more:
            told.no_place(service.name, f"model_list {name}: {', '.join(more)}")
        about = entry.get("model_info")
        mode = about.get("mode") if isinstance(about, Mapping) else None
        yield Route(name, engine.service.name, _KINDS.get(str(mode)))


def _engine(parameters: Mapping[str, Any], service: Service, engines: Sequence[Engine]) -> Engine | None:
    base = str(parameters.get("api_base") or parameters.get("base_url") or "")
    if base.startswith(_REFERENCE):
        base = service.environment.get(base.removeprefix(_REFERENCE), "")
    try:
        host, port = urlsplit(base).hostname or "", urlsplit(base).port
    except ValueError:
        return None
    if host in _HERE:
        return next((one for one in engines if _answers_on(one, port)), None)
    return next((one for one in engines if host in {name.lower() for name in one.service.names}), None)


def _answers_on(engine: Engine, port: int | None) -> bool:
    if engine.service.keys.get("network_mode") == "host":
        return port == engine.line.flags.get("port", _ENGINE_PORT)
    return any(published.published == port for published in engine.service.ports)


def _section(document: Mapping[str, Any], service: Service, told: Told) -> dict[str, Any]:
    section: dict[str, Any] = {}
    for part in document:
        if part not in {"model_list", *_SECTIONS}:
            told.no_place(service.name, f"{part} of its config.yaml")
    for part in _SECTIONS:
        settings = document.get(part)
        for key, value in settings.items() if isinstance(settings, Mapping) else ():
            field = _FIELDS.get(key)
            if field and isinstance(value, int | float):
                section[field] = value
            elif key in {"callbacks", "success_callback", "failure_callback"}:
                others = sorted({str(one) for one in (value if isinstance(value, list) else [value])} - {"prometheus"})
                if others:
                    told.no_place(service.name, f"{part}.{key}: {', '.join(others)}")
            elif key not in _RENDERED:
                told.no_place(service.name, f"{part}.{key} of its config.yaml")
    return section
