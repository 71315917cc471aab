"""An engine that its entry point has given up on, or that waits for its next start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from infra.drift.difference import Wins
from infra.drift.programs.inside import Inside, Note, Told
from infra.services.base import STATUS_FILE

_DOWN: Final = ("failed", "waiting", "ended")


def engine(inside: Inside) -> Iterator[Told | Note]:
    """Tell one that doesn't serve, with the cause that it gives."""
    status = inside.parsed(inside.run(["cat", STATUS_FILE]))
    if status.get("state") in _DOWN:
        end = status.get("last_end") or {}
        why = f": {end['says']}. Fix: {end['fix']}" if end.get("says") and end.get("fix") else ""
        again = f"docker kill --signal HUP CONTAINER starts {inside.workload.instance} again, once its cause is mended"
        yield Told("state", "serving", f"{status['state']}{why}", Wins.SEEN, again)
