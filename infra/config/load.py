"""From what people wrote to a StackConfig, with every mistake at once."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from infra.config import strict_yaml
from infra.config.across import findings_across
from infra.config.schema import StackConfig
from infra.config.secrets import SECRETS, check_secrets
from infra.config.types import is_slug
from infra.errors import Finding

NAMESPACE: Final = "hearth"
# What Pulumi.yaml gives as default to make a key optional.
UNSET: Final = ""
M = TypeVar("M", bound=BaseModel)
_MOST_EXTENDS: Final = 8
# What Pulumi itself has at the top of a stack file.
_TOP_LEVEL: Final = frozenset({"config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment"})
_ALIKE: Final = 0.7
# Other programs have keys of these names too.
_COMMON_WORDS: Final = frozenset({"target", "extends", "restart", "images"})


@dataclass(frozen=True)
class Written:
    """A stack's configuration as written: plain values and the secrets (None: set, but not readable here).

    `root` is the folder that relative paths start from.
    """

    values: Mapping[str, Any]
    secrets: Mapping[str, str | None]
    root: Path = Path()


@dataclass(frozen=True)
class Loaded:
    """A checked configuration. `services` holds the sections that belong to a service, still raw: the service
    that owns a section also owns its type. With errors among the findings, `config` is what was right, or None.
    """

    config: StackConfig | None
    services: Mapping[str, Any]
    secret_names: frozenset[str]
    findings: tuple[Finding, ...]


def read_stack_file(root: Path, stack: str) -> tuple[Written, list[Finding]]:
    """Read `Pulumi.<stack>.yaml` and the files it extends, without the Pulumi engine."""
    written, findings = _read_one(root, stack)
    return _with_base(root, written, findings)


def read_engine(root: Path, environment: Mapping[str, str]) -> tuple[Written, list[Finding]]:
    """Read the configuration that the Pulumi engine hands to a program (PULUMI_CONFIG, PULUMI_CONFIG_SECRET_KEYS)."""
    given = json.loads(environment.get("PULUMI_CONFIG") or "{}")
    secret_keys = set(json.loads(environment.get("PULUMI_CONFIG_SECRET_KEYS") or "[]"))
    values: dict[str, Any] = {}
    secrets: dict[str, str | None] = {}
    findings = [finding for full_key in given for finding in _namespace_findings(full_key)]
    for full_key, text in given.items():
        namespace, _, key = full_key.partition(":")
        if namespace != NAMESPACE or (text == UNSET and full_key not in secret_keys):
            continue
        if full_key in secret_keys or key in SECRETS:
            secrets[key] = text
        else:
            values[key] = json.loads(text) if text[:1] in {"{", "["} else text
    return _with_base(root, Written(values, secrets), findings)


def load(written: Written) -> Loaded:
    """Check a configuration. Never raises for what people wrote; all findings come back together."""
    findings = _secret_findings(written)
    owned = {field.alias or name for name, field in StackConfig.model_fields.items()}
    values = _in_order(written.values)
    own = {key: value for key, value in values.items() if key in owned}
    services = {key: value for key, value in values.items() if key not in owned and key not in SECRETS}
    config, model_findings = validated(StackConfig, own, f"{NAMESPACE}:")
    findings += model_findings
    if config is not None:
        findings += [*config.findings(), *findings_across(config)]
    return Loaded(config, services, frozenset(written.secrets), tuple(findings))


def validated(model: type[M], value: object, path: str) -> tuple[M | None, list[Finding]]:
    """Validate one section; `path` is how people find it (`hearth:gateway`).

    With findings, the model holds what was right, so that later checks can add theirs to the same report;
    None when not even that much is there.
    """
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    findings = [_finding(model, dict(item), path) for item in wrong]
    rest = copy.deepcopy(value)
    for item in wrong:
        _remove(rest, item["loc"])
    try:
        return model.model_validate(rest), findings
    except ValidationError:
        return None, findings


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the fix for an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    # Only mistakes need it, and most stacks have none.
    import difflib  # noqa: PLC0415

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}" if close else f"known here: {', '.join(known) or 'nothing'}"


def _secret_findings(written: Written) -> list[Finding]:
    findings = check_secrets({name: value for name, value in written.secrets.items() if name in SECRETS})
    findings += [
        Finding(f"{NAMESPACE}:{name}", "is no secret that Hearth knows", nearest(name, SECRETS))
        for name in written.secrets
        if name not in SECRETS
    ]
    findings += [
        Finding(
            f"{NAMESPACE}:{name}", "is in plain text", f"store it with `pulumi config set --secret {NAMESPACE}:{name}`"
        )
        for name in written.values
        if name in SECRETS
    ]
    return findings


def _finding(model: type[BaseModel], error: dict[str, Any], path: str) -> Finding:
    location = [str(part) for part in error["loc"]]
    where = path + (".".join(location) if path.endswith(":") else "".join(f".{part}" for part in location))
    owner = _model_at(model, location[:-1])
    if error["type"] == "extra_forbidden":
        known = {field.alias or name for name, field in owner.model_fields.items()} if owner else set()
        return Finding(where, "is unknown", nearest(location[-1], known))
    field = _field(owner, location[-1]) if owner and location else None
    wanted = field.description if field is not None else None
    if error["type"] == "value_error":
        problem, _, fix = str(error["ctx"]["error"]).partition("; ")
        return Finding(where, problem, fix or f"wanted: {wanted}")
    if error["type"] == "missing":
        return Finding(where, "is missing", f"wanted: {wanted}")
    return Finding(where, f"{error['msg'].lower()} (it is {error['input']!r})", f"wanted: {wanted or 'see the schema'}")


def _field(owner: type[BaseModel], written: str) -> FieldInfo | None:
    """Return a field by the name that people write: one that Python has for itself (from) is called otherwise here."""
    return next((field for name, field in owner.model_fields.items() if written in {name, field.alias}), None)


def _in_order(value: Any) -> Any:
    """Sort the keys of all maps: the engine hands them over sorted, so the file's order can't mean anything."""
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value, key=str)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def _remove(value: Any, location: tuple[int | str, ...]) -> None:
    for part in location[:-1]:
        if not (isinstance(value, dict) and part in value):
            return
        value = value[part]
    if isinstance(value, dict) and location:
        value.pop(location[-1], None)


def _model_at(annotation: Any, location: list[str]) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            return annotation
        by_alias = {field.alias or name: field for name, field in annotation.model_fields.items()}
        field = by_alias.get(location[0]) or annotation.model_fields.get(location[0])
        return _model_at(field.annotation, location[1:]) if field is not None else None
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    if get_origin(annotation) in (dict, tuple, list):
        return _model_at(arguments[-1], location[1:]) if location else None
    found = (_model_at(argument, location) for argument in arguments)
    return next((model for model in found if model is not None), None)


def _read_one(root: Path, stack: str) -> tuple[Written, list[Finding]]:
    path = root / f"Pulumi.{stack}.yaml"
    nothing = Written({}, {})
    try:
        document = strict_yaml.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        fix = f"make it, or name one of: {_stacks(root)}"
        return nothing, [Finding(path.name, f"can't be read: {error.strerror}", fix)]
    except UnicodeDecodeError as error:
        problem = f"is no UTF-8 text: byte {error.object[error.start]:#04x} at position {error.start}"
        return nothing, [Finding(path.name, problem, "save it as UTF-8")]
    except yaml.YAMLError as error:
        return nothing, [Finding(path.name, f"is no YAML: {' '.join(str(error).split())}", "mend the line it names")]
    settings, findings = _settings(path.name, document)
    values: dict[str, Any] = {}
    secrets: dict[str, str | None] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and set(value) == {"secure"}:
            secrets[key] = None
        else:
            values[key] = value
    return Written(values, secrets), findings


def _settings(file: str, document: Any) -> tuple[dict[str, Any], list[Finding]]:
    """Return what a stack file says in Hearth's namespace, by key."""
    if not isinstance(document, dict) or not isinstance(document.get("config"), dict):
        problem = "has no map config: at its top" if isinstance(document, dict) else "is no map"
        return {}, [Finding(file, problem, f"write config: and below it keys as {NAMESPACE}:models: {{...}}")]
    findings = [
        Finding(f"{file} {key}", "is unknown to Pulumi", nearest(str(key), _TOP_LEVEL))
        for key in document
        if key not in _TOP_LEVEL
    ]
    settings: dict[str, Any] = {}
    for full_key, value in document["config"].items():
        # As the engine has it: a key without a namespace belongs to the project.
        namespace, colon, key = str(full_key).rpartition(":")
        findings += _namespace_findings(str(full_key))
        if (namespace if colon else NAMESPACE) != NAMESPACE:
            continue
        if key in settings:
            findings.append(Finding(f"{NAMESPACE}:{key}", f"is there as {full_key} once more", "remove one of them"))
        settings[key] = value
    return settings, findings


def _namespace_findings(full_key: str) -> list[Finding]:
    """Say so when a key of another namespace looks like one of Hearth's: nobody else would notice."""
    namespace, colon, key = full_key.rpartition(":")
    if namespace == NAMESPACE:
        return []
    known = {field.alias or name for name, field in StackConfig.model_fields.items()}
    if not colon:
        # hearth.models, hearth-models: the engine takes it for a key of that whole name.
        key = re.sub(rf"^{NAMESPACE}\W+", "", full_key, flags=re.IGNORECASE)
        return [] if key == full_key else [Finding(full_key, "is unknown", f"write {NAMESPACE}:{key}")]
    import difflib  # noqa: PLC0415 - as in nearest

    alike = difflib.SequenceMatcher(None, namespace.strip().lower(), NAMESPACE).ratio() >= _ALIKE
    if not (alike or key in known - _COMMON_WORDS):
        return []
    return [Finding(full_key, f"is in the namespace {namespace!r}, which nobody reads", f"write {NAMESPACE}:{key}")]


def _with_base(root: Path, written: Written, findings: list[Finding]) -> tuple[Written, list[Finding]]:
    values = dict(written.values)
    base = values.get("extends")
    for _ in range(_MOST_EXTENDS):
        if not (isinstance(base, str) and is_slug(base)):
            # Unset, for the engine too; what is no name of a stack is refused with the other mistakes.
            values = {key: value for key, value in values.items() if value is not None and value != UNSET}
            return Written(values, written.secrets, root), findings
        lower, problems = _read_one(root, base)
        findings += [
            Finding(f"{NAMESPACE}:extends", f"{problem.path} {problem.problem}", problem.fix) for problem in problems
        ]
        values = _merged(lower.values, values)
        base = lower.values.get("extends")
    circle = Finding(f"{NAMESPACE}:extends", f"goes on for more than {_MOST_EXTENDS} files", "break the circle")
    return Written(values, written.secrets, root), [*findings, circle]


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def _stacks(root: Path) -> str:
    return ", ".join(sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))) or "none is here"
