"""load → plan → declare, for the Pulumi program and for the command line alike. Nothing here has an effect."""

from __future__ import annotations

from dataclasses import dataclass

from infra import targets
from infra.catalogue.flags import findings_for
from infra.config.load import Loaded, Written, load
from infra.config.schema import StackConfig
from infra.config.secrets import SECRETS, set_command
from infra.errors import Finding, Severity
from infra.inventory import with_inventory
from infra.plan import Plan, make_plan, read_previous
from infra.services import Declaration, declare, settings_of
from infra.services.base import Settings, Workload
from infra.targets.base import Target

PROJECT = "hearth"


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


def build(written: Written, stack: str, found: list[Finding]) -> tuple[Built | None, tuple[Finding, ...]]:
    """Decide a stack; `found` are findings of reading the file.

    Built is None when nothing can be decided; with errors among the findings it serves to find more, not to deploy.
    """
    written, problems = with_inventory(written)
    found = [*found, *problems]
    loaded = load(written)
    settings, problems = settings_of(loaded.services)
    findings = [*found, *loaded.findings, *problems]
    if loaded.config is None:
        return None, tuple(findings)
    target, problems = targets.find(loaded.config.target)
    previous, kept = read_previous(written.root, stack)
    engine_args = getattr(settings["vllm"], "args", {})
    plan = make_plan(loaded.config, PROJECT, stack, shared_args=engine_args, root=written.root, previous=previous)
    problems = [*problems, *kept, *_flag_findings(loaded.config, settings["vllm"], plan.vllm_version)]
    findings += [*problems, *plan.findings]
    if target is None:
        return None, tuple(findings)
    declaration = declare(loaded.config, plan, settings, target.resolver)
    findings += [*declaration.findings, *target.findings(loaded.config, declaration.workloads)]
    missing = _missing_secrets(declaration.workloads, loaded)
    return Built(loaded.config, plan, declaration, target, missing), tuple(findings)


def needed_secrets(workloads: tuple[Workload, ...]) -> tuple[str, ...]:
    """Return the names of the secrets that the workloads use, sorted."""
    return tuple(sorted({secret.name for workload in workloads for secret in workload.secret_environment.values()}))


def missing_secret_finding(name: str, severity: Severity) -> Finding:
    """Return the finding for a secret that a workload needs and nobody has set."""
    return Finding(f"hearth:{name}", f"is not set ({SECRETS[name].description})", set_command(name), severity)


def _flag_findings(config: StackConfig, engines: Settings, version: str) -> list[Finding]:
    """Check the open maps that belong to vLLM against its catalogue."""
    shared = getattr(engines, "args", {})
    found = findings_for("hearth:engines", shared, engines.environment, version)
    for name, model in sorted(config.models.items()):
        found += findings_for(f"hearth:models.{name}", model.args, model.environment, version)
    return found


def _missing_secrets(workloads: tuple[Workload, ...], loaded: Loaded) -> tuple[str, ...]:
    return tuple(name for name in needed_secrets(workloads) if name not in loaded.secret_names)
