"""The policy pack: `pulumi preview --policy-pack policy` checks the engine's resources against the rules of infra/policy.

One policy per rule of every level; what level a rule has in a stack, and what is exempt, that stack's file says.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationArgs, ResourceValidationPolicy

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from infra.config.load import read_stack_file  # noqa: E402 - found by the line above
from infra.config.policy import PolicySettings  # noqa: E402
from infra.policy.check import violations  # noqa: E402
from infra.policy.rules import RULES  # noqa: E402
from infra.targets.docker.declared import Declared  # noqa: E402

Report = Callable[[str, "str | None"], None]


def snake_case(value: Any) -> Any:
    """Return the engine's properties with the names that the declaration has (networkMode → network_mode)."""
    if isinstance(value, dict):
        return {
            re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", str(key)).lower(): snake_case(one) for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [snake_case(one) for one in value]
    # The engine's numbers are all of one kind.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def settings_of(stack: str) -> PolicySettings:
    """Return what a stack's file says of policies; what is wrong with it, the program itself tells."""
    written, _ = read_stack_file(ROOT, stack)
    return PolicySettings.model_validate(written.values.get("policy") or {})


def declared(args: ResourceValidationArgs) -> Declared:
    """Return a resource as the rules know it. A pack isn't told of retain_on_delete: that volumes are kept, the plain
    check looks at.
    """
    return Declared(args.name, args.resource_type, snake_case(dict(args.props)), is_kept=True)


def validation(rule: str, level: str) -> Callable[[ResourceValidationArgs, Report], None]:
    """Return the check of one rule, where it has this level."""

    def validate(args: ResourceValidationArgs, report: Report) -> None:
        stack = args.urn.split(":")[2]
        for one in violations("the engine", [declared(args)], settings_of(stack), stack):
            if (one.rule, one.level) == (rule, level):
                report(f"{one.problem}. Fix: {one.fix}.", None)

    return validate


LEVELS = {"mandatory": EnforcementLevel.MANDATORY, "advisory": EnforcementLevel.ADVISORY}
PolicyPack(
    name="hearth",
    policies=[
        ResourceValidationPolicy(
            name=rule.name if level == "mandatory" else f"{rule.name}-advisory",
            description=rule.why,
            validate=validation(rule.name, level),
            enforcement_level=enforced,
        )
        for rule in RULES
        for level, enforced in LEVELS.items()
    ],
)
