"""A compose project as its files say it: several files, includes, extends, profiles, variables. Read, never run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml

from infra.adopt.interpolation import dotenv, interpolated
from infra.config.strict_yaml import Loader, parse
from infra.errors import Finding, Severity

# Lists that a later file replaces; the others are joined.
_REPLACED: Final = frozenset({"command", "entrypoint", "test", "profiles"})
_MAPS: Final = frozenset({"environment", "labels", "sysctls", "extra_hosts"})
_MOST_DEEP: Final = 16


class ComposeError(Exception):
    """A compose file can't be read; `finding` says which and why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding))


def _plain(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if suffix == "reset":
        return None
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]  # of the three kinds of node only this is left


class _ComposeLoader(Loader):
    """Compose's own tags (!reset, !override) say how files are merged; the value itself is plain."""

    yaml_multi_constructors: ClassVar[dict[str | None, Any]] = {**Loader.yaml_multi_constructors, "!": _plain}


@dataclass(frozen=True)
class Project:
    """One compose project. `services` and `raw` are its active services with and without variables replaced;
    `inactive` are those whose profiles aren't chosen, by name.

    `variables` are those that files may use; `in_env_file` are the names of those that come from `env_file`.
    """

    name: str
    directory: Path
    services: Mapping[str, Mapping[str, Any]]
    raw: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Any]
    variables: Mapping[str, str]
    env_file: Path
    in_env_file: frozenset[str]
    inactive: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    def physical(self, volume: str) -> str:
        """Return the name that the daemon knows a volume by."""
        written = self.volumes.get(volume) or {}
        external = written.get("external")
        named = external.get("name") if isinstance(external, Mapping) else None
        own = written.get("name") or named
        if own or external:
            return str(own or volume)
        return f"{self.name}_{volume}"


def read_project(
    files: Sequence[Path],
    *,
    name: str | None = None,
    env_file: Path | None = None,
    profiles: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Project:
    """Read a compose project as `docker compose -f … -p … --env-file … --profile …` would.

    Raises:
        ComposeError: a file can't be read, is no YAML, or has no services.
    """
    directory = files[0].parent
    env_path = env_file or directory / ".env"
    from_file = _env(env_path, must=env_file is not None)
    shell = os.environ if environment is None else environment
    variables = {**from_file, **shell}
    document = _documents(files)
    raw = {
        str(key): _extended(service, document["services"], directory, 0)
        for key, service in document["services"].items()
        if isinstance(service, Mapping)
    }
    missing: dict[str, None] = {}
    services = {key: interpolated(service, variables, missing.setdefault) for key, service in raw.items()}
    chosen = {*profiles, *str(variables.get("COMPOSE_PROFILES", "")).split(",")} - {""}
    inactive = {key: wanted for key, one in services.items() if not _is_active(wanted := _profiles(one), chosen)}
    top = interpolated({key: document.get(key) for key in ("name", "volumes")}, variables, missing.setdefault)
    return Project(
        name=_name(name or variables.get("COMPOSE_PROJECT_NAME") or top["name"] or directory.resolve().name),
        directory=directory,
        services={key: service for key, service in services.items() if key not in inactive},
        raw={key: service for key, service in raw.items() if key not in inactive},
        volumes=top["volumes"] if isinstance(top["volumes"], Mapping) else {},
        variables=variables,
        env_file=env_path,
        in_env_file=frozenset(from_file) - frozenset(shell),
        inactive=inactive,
        others=tuple(sorted(key for key in ("configs", "secrets", "networks", "models") if document.get(key))),
        findings=tuple(_unset(files[0], one, env_path) for one in missing),
    )


def _documents(files: Sequence[Path]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for file in files:
        document = merged(document, _document(file, 0))
    if not isinstance(document.get("services"), Mapping):
        problem = "has no map services: at its top"
        raise ComposeError(Finding(str(files[0]), problem, "name a compose file, as in docker-compose.yml"))
    return document


def _unset(file: Path, variable: str, env_file: Path) -> Finding:
    problem = f"uses {variable}, which neither the shell nor {env_file} sets: it is empty"
    return Finding(str(file), problem, "set it, or name the file with --env-file", Severity.WARNING)


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return two maps as Compose merges them: maps in maps, lists joined, all else replaced; null takes away."""
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        if key in _MAPS:
            below, value = as_map(below), as_map(value)  # noqa: PLW2901 - one of its two spellings for the other
        if key == "depends_on" and isinstance(below, Mapping) != isinstance(value, Mapping):
            below, value = _conditions(below), _conditions(value)  # noqa: PLW2901 - the same
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        elif isinstance(below, list) and isinstance(value, list) and key not in _REPLACED:
            result[key] = [*below, *(item for item in value if item not in below)]
        else:
            result[key] = value
    return result


def as_map(value: Any) -> dict[str, Any]:
    """Return a map that may be written as a list of KEY=value; without a value the shell's own counts (None)."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    pairs = [str(item).partition("=") for item in value or ()] if isinstance(value, list) else []
    return {key: text if equals else None for key, equals, text in pairs}


def read_yaml(file: Path) -> Any:
    """Return the document of somebody else's YAML file.

    Raises:
        ComposeError: it can't be read or is no YAML.
    """
    try:
        return parse(file.read_text(encoding="utf-8"), _ComposeLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ComposeError(Finding(str(file), f"can't be read: {reason}", "name a file that is there")) from None
    except yaml.YAMLError as error:
        problem = f"is no YAML: {' '.join(str(error).split())}"
        raise ComposeError(Finding(str(file), problem, "mend the line it names")) from None


def _env(path: Path, *, must: bool) -> dict[str, str]:
    try:
        return dotenv(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        if must:
            raise ComposeError(Finding(str(path), "can't be read", "name the project's .env file")) from None
        return {}


def _document(file: Path, depth: int) -> dict[str, Any]:
    """Return a file with what it includes, below what it says itself."""
    document = read_yaml(file)
    if not isinstance(document, Mapping):
        raise ComposeError(Finding(str(file), "is no map", "name a compose file, as in docker-compose.yml"))
    result: dict[str, Any] = {}
    for entry in document.get("include") or () if depth < _MOST_DEEP else ():
        paths = entry.get("path") if isinstance(entry, Mapping) else entry
        for path in paths if isinstance(paths, list) else [paths]:
            included = _document(file.parent / str(path), depth + 1)
            folder = Path(str(path)).parent
            services = {key: _moved(one, folder) for key, one in (included.get("services") or {}).items()}
            result = merged(result, {**included, "services": services})
    return merged(result, {key: value for key, value in document.items() if key != "include"})


def _extended(service: Mapping[str, Any], siblings: Mapping[str, Any], directory: Path, depth: int) -> dict[str, Any]:
    wanted = service.get("extends")
    own = {key: value for key, value in service.items() if key != "extends"}
    if not wanted or depth >= _MOST_DEEP:
        return own
    name = str(wanted.get("service")) if isinstance(wanted, Mapping) else str(wanted)
    file = wanted.get("file") if isinstance(wanted, Mapping) else None
    if file:
        siblings = _document(directory / str(file), depth + 1).get("services") or {}
        directory = (directory / str(file)).parent
    base = siblings.get(name)
    if not isinstance(base, Mapping):
        problem = f"a service extends {name!r}, which {file or 'it'} doesn't have"
        raise ComposeError(Finding(str(directory), problem, "mend extends: in the compose file"))
    whole = _extended(base, siblings, directory, depth + 1)
    return merged(_moved(whole, Path(str(file)).parent) if file else whole, own)


def _moved(service: Any, folder: Path) -> Any:
    """Return a service of a file in another folder with its relative paths seen from the project's."""
    if not isinstance(service, Mapping) or folder == Path():
        return service

    def moved(path: Any) -> Any:
        return str(folder / path) if isinstance(path, str) and not path.startswith(("/", "~", "$")) else path

    files, mounts = service.get("env_file"), service.get("volumes")
    env_files = [files] if isinstance(files, str) else files
    changed = dict(service)
    if isinstance(env_files, list):
        changed["env_file"] = [
            {**one, "path": moved(one.get("path"))} if isinstance(one, Mapping) else moved(one) for one in env_files
        ]
    if isinstance(mounts, list):
        changed["volumes"] = [
            f"./{moved(one)}" if isinstance(one, str) and one.startswith(".") else one for one in mounts
        ]
    return changed


def _profiles(service: Mapping[str, Any]) -> tuple[str, ...]:
    written = service.get("profiles")
    return tuple(str(one) for one in (written if isinstance(written, list) else [written])) if written else ()


def _is_active(wanted: tuple[str, ...], chosen: set[str]) -> bool:
    return not wanted or "*" in chosen or bool(chosen & set(wanted))


def _conditions(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return {str(one): {"condition": "service_started"} for one in value or ()}


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", str(text).lower()).lstrip("_-") or "compose"
