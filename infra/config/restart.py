"""How a service comes back: systemd's words, so that nobody has to learn new ones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.config.types import DurationS, Model


class Restart(Model):
    """The restart promise of a workload (systemd.service and systemd.unit name the same settings).

    A target maps what it can and reports what it can't: nothing is dropped in silence.
    """

    policy: Literal["no", "on-failure", "always"] = Field(
        default="always",
        description="when it is started again (default always; to an engine on-failure is the same: a server that ends by "
        "itself has failed, whatever its code)",
    )
    restart_sec: DurationS | None = Field(
        default=None,
        description="wait before a restart, as in 10s (an engine's default 5s: the driver needs some to free a card)",
    )
    restart_max_delay: DurationS | None = Field(
        default=None,
        description="longest wait, as in 5min: each is twice the one before up to it (an engine's default 5min: "
        "what is doomed costs little then)",
    )
    start_limit_burst: int | None = Field(
        default=None, ge=1, description="starts allowed before it stays failed (an engine's default 5, as in systemd)"
    )
    start_limit_interval: DurationS | None = Field(
        default=None,
        description="window in which starts are counted, as in 3h; 0 for no limit (an engine's default is what so many "
        "starts take that use up all their time: systemd's 10s could never be reached)",
    )
    watchdog_sec: DurationS | None = Field(
        default=None,
        description="requests without progress for so long count as hung, as in 2min; 0 for never (an engine's default "
        "5min: vLLM itself gives a step so long)",
    )
    timeout_start: DurationS | None = Field(
        default=None,
        description="longest start before it counts as failed, as in 15min; what a step fetches before doesn't count "
        "(an engine's default is the plan's budget: bytes to read, compilation, warm-up)",
    )
    timeout_stop: DurationS = Field(
        default=30,
        description="time to finish requests before it is killed, as in 30s (default 30s: a chat answer's usual length)",
    )
