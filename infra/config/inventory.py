"""Where things can run: hosts and groups in Ansible's shape."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from infra.config.types import CpuSet, Model, PlaceName, SizeBytes, Slug, reachable


def _connection(value: str) -> str:
    if value != "local" and not value.startswith(("ssh://", "unix://")):
        msg = f"{value!r} is no connection; write local, unix:///path/of/docker.sock or ssh://user@host:port"
        raise ValueError(msg)
    return value


# How Docker is asked for NVIDIA's cards.
GpuAccess = Literal["device-request", "cdi", "runtime"]


class Mig(Model):
    """One part of a card that was split with MIG; an engine is placed on it by its UUID, as on a card."""

    id: str = Field(description="UUID as nvidia-smi -L prints it (MIG-…)")
    profile: str = Field(description="size of the part, as in 1g.10gb")


class Gpu(Model):
    """One card of a host, named by UUID (stable across reboots) or by its PCI-order index."""

    id: str = Field(description="UUID as nvidia-smi -L prints it (GPU-…), or the index in PCI bus order")
    model: str = Field(description="the card's name, as in H100-80GB")
    memory: SizeBytes | None = Field(default=None, description="memory the card really has, as in 79.2GiB")
    # A reboot or a new card renumbers them: shown to people, never used to name a card.
    index: int | None = Field(default=None, ge=0, description="number in PCI bus order when its facts were collected")
    # Without it an engine on AMD is given all cards of its host, and told which are its own.
    render_node: Annotated[str, Field(pattern=r"^/dev/dri/renderD\d+$")] | None = Field(
        default=None, description="device file of an AMD card, as in /dev/dri/renderD128"
    )
    # Tensor parallel engines exchange every layer's result: over PCIe that can cost half of their speed.
    nvlink: tuple[str, ...] = Field(default=(), description="ids of the cards that it reaches over NVLink")
    # With MIG on, the card itself can't be used any more, only its parts.
    mig: tuple[Mig, ...] = Field(default=(), description="its MIG devices, when it is split")


class NumaNode(Model):
    """Cores that share a memory controller; a CPU engine over two of them reads half of its weights from afar."""

    cores: CpuSet = Field(description="its cores, as in 0-31")
    memory: SizeBytes | None = Field(default=None, description="RAM of this node, as in 128GiB")


class Disk(Model):
    """A directory that fills up: images and models are tens of GiB."""

    path: str = Field(description="directory that was measured, as in /var/lib/docker")
    size: SizeBytes = Field(description="size of the file system it is on")
    free: SizeBytes | None = Field(default=None, description="what was free when its facts were collected")


class Cpu(Model):
    """What decides whether the CPU build of vLLM runs at all (avx512f or avx2) and how fast (amx_tile)."""

    model: str | None = Field(default=None, description="name that the processor gives itself")
    flags: tuple[str, ...] = Field(default=(), description="instruction sets that matter to an engine, as in avx512f")
    threads_per_core: int = Field(
        default=1,
        ge=1,
        description="2 where hyperthreads are on; an engine wants one core each (default 1: facts weren't collected)",
    )


class Host(Model):
    """One Docker host."""

    connection: Annotated[str, AfterValidator(_connection)] = Field(
        default="local",
        description="local, unix:///path/of/docker.sock, or ssh://user@host:port (default local: a first stack runs here)",
    )
    address: str | None = Field(default=None, description="address by which other hosts reach it")
    gpus: tuple[Gpu, ...] = Field(default=(), description="its cards, in PCI bus order")
    cores: int | None = Field(default=None, ge=1, description="number of CPU cores")
    memory: SizeBytes | None = Field(default=None, description="RAM, as in 256GiB")
    numa_nodes: tuple[NumaNode, ...] = Field(default=(), description="its NUMA nodes, in order")
    disks: tuple[Disk, ...] = Field(default=(), description="where images and volumes are kept")
    # CUDA 13 images refuse drivers before 580 when the container starts; a plan can say so before that.
    driver: str | None = Field(default=None, description="version of the GPU driver, as in 580.82.07")
    # CDI outlives a reload of systemd, after which containers with the nvidia runtime's hook may lose their cards
    # (NVIDIA/nvidia-container-toolkit issues 48, 251 and 1227).
    gpu_access: GpuAccess | None = Field(
        default=None,
        description="how Docker is asked for NVIDIA cards: cdi (Docker 28.2 and newer), device-request, or runtime for "
        "hosts whose nvidia runtime reads NVIDIA_VISIBLE_DEVICES; without it device-request",
    )
    # A group's name counts only where the image has such a group; its number always does.
    device_groups: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(), description="numbers of the groups video and render, whose members may use AMD cards"
    )
    cpu: Cpu | None = Field(default=None, description="the processor")
    cost_per_hour: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="rent or power and write-off per hour, in any one currency"
    )
    # What an inventory of Ansible says with ansible_ssh_private_key_file and ansible_ssh_common_args.
    ssh_options: tuple[str, ...] = Field(default=(), description="further arguments for ssh, as in -i and a key file")


class Group(Model):
    """A named set of hosts, as in an Ansible inventory."""

    hosts: tuple[Slug, ...] = Field(default=(), description="names of hosts")
    children: tuple[PlaceName, ...] = Field(default=(), description="names of groups whose hosts belong here too")


class Inventory(Model):
    """All hosts and groups; without any, this machine is the only host."""

    hosts: dict[Slug, Host] = Field(default_factory=lambda: {"local": Host()}, description="hosts by name")
    groups: dict[PlaceName, Group] = Field(default_factory=dict, description="groups by name")

    def members(self, name: str) -> tuple[str, ...]:
        """Return the hosts that `name` (a host or a group) stands for, in inventory order; empty when unknown."""
        if name in self.hosts:
            return (name,)
        groups = reachable([name], {known: group.children for known, group in self.groups.items()})
        wanted = {host for group in groups for host in self.groups[group].hosts}
        return tuple(host for host in self.hosts if host in wanted)
