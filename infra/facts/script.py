"""The one script that asks a host what it is, and how its answer is taken apart again.

Other questions go between FRAME, which defines `ask NAME COMMAND…`, and DONE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NOT_THERE: Final = 127

# One connection asks everything. Each answer stands between two marks, so that a greeting of the login shell does
# no harm; every command has a time limit, because nvidia-smi hangs for ever on a card that fell off the bus.
FRAME: Final = r"""
LC_ALL=C; export LC_ALL
# A shell without login often lacks these.
PATH="$PATH:/usr/local/bin:/usr/sbin:/sbin:/opt/rocm/bin:/usr/lib/wsl/lib"; export PATH
exec 3>&1
limit=
if command -v timeout >/dev/null 2>&1; then limit="timeout 30"; fi
ask() {
  name=$1; shift
  printf '\n@@hearth begin %s\n' "$name"
  if command -v "$1" >/dev/null 2>&1; then
    said=$( { $limit "$@" </dev/null >&3; } 2>&1 ); code=$?
  else
    said="$1 is not there"; code=127
  fi
  printf '\n@@hearth said %s\n%s\n@@hearth end %s\n' "$code" "$(printf '%s\n' "$said" | head -n 5)" "$name"
}
"""
CARDS: Final = r"""
fields=index,uuid,name,memory.total,driver_version,compute_cap,mig.mode.current,pci.bus_id
ask nvidia-cards nvidia-smi --query-gpu=$fields --format=csv,noheader,nounits
ask nvidia-list nvidia-smi -L
ask nvidia-topology nvidia-smi topo -m
ask rocm-smi rocm-smi --showproductname --showuniqueid --showmeminfo vram --showdriverversion --showbus --json
ask amd-smi amd-smi static --asic --bus --vram --driver --json
ask render-nodes grep -sH PCI_SLOT_NAME /sys/class/drm/renderD*/device/uevent
ask device-groups getent group video render
"""
DONE: Final = r"""
printf '\n@@hearth done\n'
"""
SCRIPT: Final = (
    FRAME
    + r"""
ask lscpu lscpu --json
ask meminfo cat /proc/meminfo
ask numa grep -s MemTotal /sys/devices/system/node/node0/meminfo /sys/devices/system/node/node[1-9]*/meminfo
"""
    + CARDS
    + r"""
ask docker docker info --format '{{json .}}'
root=$($limit docker info --format '{{.DockerRootDir}}' </dev/null 2>/dev/null)
ask disk-docker df -B1 --output=source,target,size,avail "${root:-/var/lib/docker}"
printf '\n@@hearth root %s\n' "${root:-/var/lib/docker}"
ask disk-root df -B1 --output=source,target,size,avail /
"""
    + DONE
)

_BEGIN: Final = re.compile(r"@@hearth begin (\S+)")
_SAID: Final = re.compile(r"@@hearth said (\d+)")


@dataclass(frozen=True)
class Answer:
    """What one command printed, what it said on standard error, and its exit status."""

    out: str
    said: str = ""
    code: int = 0

    @property
    def is_there(self) -> bool:
        """Whether the host has the command at all."""
        return self.code != NOT_THERE


@dataclass(frozen=True)
class Answers:
    """All answers by name. `is_whole` is False when the connection broke in between."""

    by_name: Mapping[str, Answer]
    docker_root: str
    is_whole: bool

    def of(self, name: str) -> Answer:
        """Return one answer; a command that was never reached counts as not there."""
        return self.by_name.get(name, Answer("", "", NOT_THERE))

    def text(self, name: str) -> str:
        """Return what a command printed when it succeeded, else nothing."""
        answer = self.of(name)
        return answer.out if answer.code == 0 else ""


def answers(printed: str) -> Answers:
    """Take the script's output apart."""
    found: dict[str, Answer] = {}
    name, root, whole = "", "/var/lib/docker", False
    out: list[str] = []
    said: list[str] | None = None
    code = 0
    for line in printed.splitlines():
        if match := _BEGIN.fullmatch(line):
            name, out, said = match[1], [], None
        elif match := _SAID.fullmatch(line):
            said, code = [], int(match[1])
        elif line == f"@@hearth end {name}":
            found[name] = Answer("\n".join(out), "\n".join(said or ()).strip(), code)
            name = ""
        elif line.startswith("@@hearth root "):
            root = line.removeprefix("@@hearth root ").strip()
        elif line == "@@hearth done":
            whole = True
        elif name:
            (out if said is None else said).append(line)
    return Answers(found, root, whole)
