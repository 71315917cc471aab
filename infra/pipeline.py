"""load → plan → declare, for the Pulumi program and for the command line alike. Nothing here has an effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from infra.catalogue.flags import check_value, findings_for
from infra.config.load import Loaded, Written, load
from infra.config.restart import Restart
from infra.config.schema import StackConfig
from infra.config.secrets import SECRETS, set_command
from infra.errors import Finding, Severity
from infra.inventory import with_inventory
from infra.plan import Calibration, Plan, Previous, Shared, make_plan, read_calibration, read_previous

if TYPE_CHECKING:
    from infra.services import Declaration
    from infra.services.base import Workload
    from infra.targets.base import Target

PROJECT = "hearth"
# Fields whose values are vLLM's own words.
_HANDED_ON: Final = {
    "dtype": "dtype",
    "kv_cache_dtype": "kv-cache-dtype",
    "quantization": "quantization",
    "tool_parser": "tool-call-parser",
    "reasoning_parser": "reasoning-parser",
}
# What Hearth decides by itself; for the others `auto` is a word of vLLM's.
_OWN_WORDS: Final = {"tool_parser": {"auto", "none"}, "reasoning_parser": {"auto", "none"}}
_ENGINES: Final = "engines"
_PREFETCH: Final = "prefetch"
_FLAGS: Final = (str, int, float, bool)


@dataclass(frozen=True)
class Built:
    """A whole stack, decided. `missing_secrets` are needed by a workload and not set."""

    config: StackConfig
    plan: Plan
    declaration: Declaration
    target: Target
    missing_secrets: tuple[str, ...]

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Return everything that runs."""
        return self.declaration.workloads


def decide(
    written: Written, stack: str, found: list[Finding]
) -> tuple[tuple[StackConfig, Plan] | None, tuple[Finding, ...]]:
    """Load and plan a stack; `found` are findings of reading the file. None when nothing can be decided.

    Of the services' sections only what all engines share is looked at: what else is wrong with them, `build` says.
    """
    written, problems = with_inventory(written)
    loaded = load(written)
    planned, more = _planned(loaded, stack, written.root)
    return planned, (*found, *problems, *loaded.findings, *more)


def build(
    written: Written,
    stack: str,
    found: list[Finding],
    *,
    previous: Previous | None = None,
    calibration: Calibration | None = None,
) -> tuple[Built | None, tuple[Finding, ...]]:
    """Decide a stack; `found` are findings of reading the file.

    `previous` is where engines are, `calibration` what was seen of them (None: as last saved).
    Built is None when nothing can be decided; with errors among the findings it serves to find more, not to deploy.
    """
    # A plan alone needs neither: every service and every target is a module to import.
    from infra import targets  # noqa: PLC0415
    from infra.services import declare, settings_of  # noqa: PLC0415

    written, problems = with_inventory(written)
    loaded = load(written)
    settings, wrong = settings_of(loaded.services)
    planned, more = _planned(loaded, stack, written.root, previous, calibration)
    findings = [*found, *problems, *loaded.findings, *wrong, *more]
    if planned is None:
        return None, tuple(findings)
    config, plan = planned
    target, problems = targets.find(config.target)
    findings += problems
    if target is None:
        return None, tuple(findings)
    declaration = declare(config, plan, settings, target.resolver, joins_hosts=target.joins_hosts)
    findings += [*declaration.findings, *target.findings(config, declaration.workloads)]
    missing = _missing_secrets(declaration.workloads, loaded)
    return Built(config, plan, declaration, target, missing), tuple(findings)


def _planned(
    loaded: Loaded,
    stack: str,
    root: Path,
    previous: Previous | None = None,
    calibration: Calibration | None = None,
) -> tuple[tuple[StackConfig, Plan] | None, tuple[Finding, ...]]:
    if loaded.config is None:
        return None, ()
    kept: list[Finding] = []
    if previous is None:
        previous, kept = read_previous(root, stack)
    if calibration is None:
        calibration, unread = read_calibration(root)
        kept += unread
    shared = _shared(loaded.services)
    plan = make_plan(
        loaded.config, PROJECT, stack, shared=shared, root=root, previous=previous, calibration=calibration
    )
    flags = _flag_findings(loaded.config, loaded.services.get(_ENGINES), shared.args, plan.vllm_version)
    return (loaded.config, plan), (*kept, *plan.findings, *flags)


def _shared(services: Mapping[str, Any]) -> Shared:
    """Return what the sections of engines and of their fetching say, as far as it is right: the services say the rest."""
    fetching, section = services.get(_PREFETCH), services.get(_ENGINES)
    fetches = not (isinstance(fetching, Mapping) and fetching.get("enabled") is False)
    if not isinstance(section, Mapping):
        return Shared(fetches=fetches)
    args, restart = section.get("args"), section.get("restart")
    flags = (
        {key: value for key, value in args.items() if isinstance(value, _FLAGS)} if isinstance(args, Mapping) else {}
    )
    try:
        return Shared(flags, None if restart is None else Restart.model_validate(restart), fetches)
    except ValidationError:
        return Shared(flags, fetches=fetches)


def needed_secrets(workloads: tuple[Workload, ...]) -> tuple[str, ...]:
    """Return the names of the secrets that the workloads use, sorted."""
    return tuple(sorted({secret.name for workload in workloads for secret in workload.secrets}))


def missing_secret_finding(name: str, severity: Severity) -> Finding:
    """Return the finding for a secret that a workload needs and nobody has set."""
    return Finding(f"hearth:{name}", f"is not set ({SECRETS[name].description})", set_command(name), severity)


def _flag_findings(
    config: StackConfig, engines: Any, shared: Mapping[str, str | int | float | bool], version: str
) -> list[Finding]:
    """Check the open maps that belong to vLLM against its catalogue."""
    written = engines.get("environment") if isinstance(engines, Mapping) else None
    environment = {str(key): str(value) for key, value in written.items()} if isinstance(written, Mapping) else {}
    found = findings_for(f"hearth:{_ENGINES}", shared, environment, version)
    for name, model in sorted(config.models.items()):
        path = f"hearth:models.{name}"
        found += findings_for(path, model.args, model.environment, version)
        for field, flag in _HANDED_ON.items():
            value = getattr(model, field)
            is_own = value is None or value in _OWN_WORDS.get(field, ())
            problem = None if is_own else check_value(flag, value, version)
            if problem is not None:
                found.append(Finding(f"{path}.{field}", problem.problem, problem.fix, problem.severity))
    return found


def _missing_secrets(workloads: tuple[Workload, ...], loaded: Loaded) -> tuple[str, ...]:
    return tuple(name for name in needed_secrets(workloads) if name not in loaded.secret_names)
