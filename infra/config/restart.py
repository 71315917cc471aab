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
        description="when it is started again (default always: vLLM ends with code 0 when its engine dies, which on-failure misses)",
    )
    restart_sec: DurationS | None = Field(default=None, description="wait before a restart, as in 10s")
    restart_max_delay: DurationS | None = Field(
        default=None, description="longest wait when the wait grows, as in 5min"
    )
    start_limit_burst: int | None = Field(default=None, ge=1, description="starts allowed before it stays failed")
    start_limit_interval: DurationS | None = Field(
        default=None, description="window in which starts are counted, as in 10min"
    )
    watchdog_sec: DurationS | None = Field(
        default=None, description="no progress for so long counts as hung, as in 2min"
    )
    timeout_start: DurationS | None = Field(default=None, description="longest start before `up` gives up, as in 15min")
    timeout_stop: DurationS = Field(
        default=30,
        description="time to finish requests before it is killed, as in 30s (default 30s: a chat answer's usual length)",
    )
