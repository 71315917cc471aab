"""What a stack says of its policies: levels, and exceptions with their reasons."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.config.types import Model

Level = Literal["mandatory", "advisory", "disabled"]
Reason = Annotated[str, Field(min_length=8)]


class PolicySettings(Model):
    """hearth:policy."""

    production: bool | None = Field(
        default=None, description="whether rules for production hold (default: for stacks whose name starts with prod)"
    )
    levels: dict[str, Level] = Field(
        default_factory=dict,
        description="level by rule, as in pinned-images: advisory; mandatory stops, advisory is told, disabled isn't looked at",
    )
    exempt: dict[str, dict[str, Reason]] = Field(
        default_factory=dict,
        description="what a rule doesn't hold for: the rule, then the resource and the reason, as in "
        "no-docker-socket: {cadvisor: reads names of containers}",
    )
