"""Joins what was declared with its target, below one component. The only composer that speaks Pulumi."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pulumi

from infra.config.load import read_engine
from infra.doctor.cache import cached_findings
from infra.errors import Finding, Severity, StackError, raise_errors
from infra.pipeline import PROJECT, Built, build, missing_secret_finding, needed_secrets
from infra.plan import plan_data, plan_text
from infra.preflight import local_findings
from infra.targets.base import Deployment

# Hosts that the engine was told to leave alone, with --exclude: set by `make up`.
_LEFT_ALONE: Final = "HEARTH_LEFT_ALONE"
_INTERRUPTED: Final = 130


class HearthStack(pulumi.ComponentResource):
    """All resources of one environment."""

    def __init__(self, built: Built, root: Path) -> None:
        stack = built.plan.stack
        super().__init__("hearth:index:Stack", stack)
        left_alone = frozenset(os.environ.get(_LEFT_ALONE, "").split(",")) - {""}
        deployment = Deployment(PROJECT, stack, root, built.config, built.workloads, _secrets(built), left_alone)
        built.target.deploy(deployment, self)
        self.register_outputs({})


def end_quietly_when_told() -> None:
    """End without a traceback when the engine interrupts the program: an update has failed, and it says why itself."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(_INTERRUPTED))


def load_and_plan(root: Path) -> Built:
    """Read the engine's configuration and decide the stack; say what was found.

    Raises pulumi.RunError (a message, no traceback) with every error at once, before any resource exists.
    A preview shows missing secrets and taken ports as warnings: a pull request's job has neither.
    """
    stack, preview = pulumi.get_stack(), pulumi.runtime.is_dry_run()
    written, found = read_engine(root, os.environ)
    built, findings = build(written, stack, found)
    all_findings = list(findings)
    if built is not None:
        severity = Severity.WARNING if preview else Severity.ERROR
        all_findings += [missing_secret_finding(name, severity) for name in built.missing_secrets]
        all_findings += local_findings(built, stack, root, severity)
        all_findings += cached_findings(root, stack, built)
    _tell(all_findings)
    try:
        raise_errors(all_findings)
    except StackError as error:
        raise pulumi.RunError(f"the declaration can't be deployed:\n{error}") from None
    if built is None:
        raise pulumi.RunError("the declaration can't be deployed")
    pulumi.log.info(f"plan of {stack}\n{plan_text(built.plan)}")
    return built


def outputs(built: Built) -> Mapping[str, Any]:
    """Return what people and tests need after `up`; secrets stay secret."""
    fronts = [workload for workload in built.workloads if workload.service == "nginx" and workload.published]
    exposed = {
        workload.instance: f"http://{port.address}:{port.host_port}"
        for workload in built.workloads
        for port in workload.published
        # Only the stack's own hosts are let in there.
        if workload.service != "relay"
    }
    front = exposed[fronts[0].instance] if fronts else ""
    secrets = _secrets(built)
    ui = built.declaration.settings["open_webui"]
    return {
        "frontDoorUrl": front,
        "gatewayUrl": f"{front}/v1",
        "models": [
            {"name": name, "kind": built.config.models[model].kind}
            for name, model in built.declaration.context.served().items()
        ],
        "exposed": exposed,
        "masterKey": secrets.get("gatewayMasterKey"),
        "uiAdminEmail": getattr(ui, "admin_email", None),
        "uiAdminPassword": secrets.get("uiAdminPassword"),
        "notices": [str(finding) for finding in built.declaration.findings if finding.severity is Severity.NOTICE],
        "plan": plan_text(built.plan),
        # One line of JSON: as a value it would fill a preview with hundreds of lines.
        "ledger": json.dumps(plan_data(built.plan), separators=(",", ":")),
    }


def _secrets(built: Built) -> dict[str, pulumi.Output[str]]:
    config = pulumi.Config(PROJECT)
    # Only a preview gets this far without them; the placeholder is a secret too, so that it is never mistaken for one.
    return {
        name: config.get_secret(name) or pulumi.Output.secret("not set") for name in needed_secrets(built.workloads)
    }


def _tell(findings: list[Finding]) -> None:
    for finding in sorted(set(findings)):
        if finding.severity is Severity.WARNING:
            pulumi.log.warn(str(finding))
        elif finding.severity is Severity.NOTICE:
            pulumi.log.info(str(finding))
