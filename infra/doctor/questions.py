"""The one script that asks a host everything that the checks want to know, over one connection."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Final

from infra.doctor.asked import Asked, registry_of
from infra.facts.script import CARDS, DONE, FRAME
from infra.pipeline import PROJECT

REACH_S: Final = 3
_TAB: Final = "\t"
_CONTAINER: Final = _TAB.join(
    ("{{.ID}}", '{{.Label "%s.stack"}}', '{{.Label "%s.instance"}}', "{{.Names}}", "{{.Ports}}")
).replace("%s", PROJECT)
# What holds a port or a card may be one of the stack's own containers: the cgroup of its process has the container's id.
_MACHINE: Final = r"""
ask meminfo cat /proc/meminfo
ask overcommit cat /proc/sys/vm/overcommit_memory
ask addresses ip -o addr
if command -v ss >/dev/null 2>&1; then ask listeners ss -Hltnp; else ask sockets sh -c 'cat /proc/net/tcp /proc/net/tcp6 2>/dev/null'; fi
ask hook sh -c 'command -v nvidia-container-runtime-hook || command -v nvidia-container-toolkit'
ask card-users nvidia-smi --query-compute-apps=gpu_uuid,pid,process_name,used_memory --format=csv,noheader,nounits
ask kfd ls -d /dev/kfd
ask kfd-users sh -c 'grep -sH . /sys/class/kfd/kfd/proc/*/vram_*'
ask render-files sh -c 'ls /dev/dri/renderD*'
users=$($limit nvidia-smi --query-compute-apps=pid --format=csv,noheader </dev/null 2>/dev/null; ls /sys/class/kfd/kfd/proc 2>/dev/null)
for pid in $users; do
  case "$pid" in *[!0-9]*) ;; *) ask "cgroup:$pid" cat "/proc/$pid/cgroup" ;; esac
done
"""
# A daemon that hangs costs one time limit, not one per question.
_DOCKER: Final = r"""
ask docker docker info --format '{{json .}}'
ask docker-version docker version --format '{{json .Server}}'
if $limit docker version </dev/null >/dev/null 2>&1; then
  ask containers docker ps --no-trunc --format %(container)s
  for image in %(images)s; do ask "image:$image" docker image inspect --format '{{.Size}}' "$image"; done
  for volume in %(volumes)s; do
    ask "volume:$volume" docker volume inspect --format '{{.Mountpoint}}' "$volume"
    place=$($limit docker volume inspect --format '{{.Mountpoint}}' "$volume" </dev/null 2>/dev/null)
    if [ -n "$place" ] && [ -r "$place" ]; then ask "used:$volume" du -sk "$place"; fi
  done
  root=$($limit docker info --format '{{.DockerRootDir}}' </dev/null 2>/dev/null)
fi
root=${root:-/var/lib/docker}
printf '\n@@hearth root %%s\n' "$root"
for path in "$root" %(disks)s; do ask "disk:$path" df -B1 --output=source,target,size,avail "$path"; done
"""
_PLACES: Final = r"""
for path in %(directories)s; do ask "directory:$path" ls -d "$path"; done
for wanted in %(names)s; do ask "name:$wanted" getent ahosts "$wanted"; done
for address in %(addresses)s; do ask "route:$address" ip -o route get "$address"; done
for way in %(ways)s; do
  port=${way##*:}; address=${way%%:*}
  address=${address#[}; address=${address%%]}
  ask "reach:$way" timeout %(reach_s)s bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$address" "$port"
done
"""


def script_for(asked: Asked) -> str:
    """Return the script for a host. What comes from the declaration is quoted, and never a part of a command."""
    registries = {registry_of(image) for image in asked.images}
    words = {
        "container": shlex.quote(_CONTAINER),
        "images": _quoted(asked.images),
        "volumes": _quoted([asked.hub_volume] if asked.hub_volume else []),
        "disks": _quoted(sorted({disk.path for disk in asked.section.disks})),
        "directories": _quoted(asked.read_directories),
        "names": _quoted(sorted({*asked.hubs, *(name.partition(":")[0] for name in registries if name)})),
        "addresses": _quoted(sorted({way.address for way in asked.ways})),
        "ways": _quoted(way.name for way in asked.ways),
        "reach_s": REACH_S,
    }
    clock = "ask clock date +%s.%N\n"
    end = "ask clock-after date +%s.%N\n"
    return FRAME + clock + CARDS + _MACHINE + _DOCKER % words + _PLACES % words + end + DONE


def _quoted(words: Iterable[str]) -> str:
    return " ".join(shlex.quote(str(word)) for word in words)
