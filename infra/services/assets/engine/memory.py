"""How often the kernel has killed something in this container for memory."""

from __future__ import annotations

from pathlib import Path

# cgroup v2, then v1; both count kills of the container's own limit, and v2's those of the whole host too.
_FILES = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))


def oom_kills() -> int:
    """Return the count since the container exists; 0 where the kernel doesn't tell."""
    for file in _FILES:
        try:
            rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
        except OSError:
            continue
        return sum(int(row[1]) for row in rows if row[0] == "oom_kill")
    return 0
