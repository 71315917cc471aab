"""Where things can run: hosts and groups in Ansible's shape."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from infra.config.types import Model, SizeBytes, Slug


def _connection(value: str) -> str:
    if value != "local" and not value.startswith(("ssh://", "unix://")):
        msg = f"{value!r} is no connection; write local, unix:///path/of/docker.sock or ssh://user@host:port"
        raise ValueError(msg)
    return value


class Gpu(Model):
    """One card of a host, named by UUID (stable across reboots) or by its PCI-order index."""

    id: str = Field(description="UUID as nvidia-smi -L prints it (GPU-…), or the index in PCI bus order")
    model: str = Field(description="the card's name, as in H100-80GB")
    memory: SizeBytes | None = Field(default=None, description="memory the card really has, as in 79.2GiB")


class Host(Model):
    """One Docker host."""

    connection: Annotated[str, AfterValidator(_connection)] = Field(
        default="local", description="local, unix:///path/of/docker.sock, or ssh://user@host:port"
    )
    address: str | None = Field(default=None, description="address by which other hosts reach it")
    gpus: tuple[Gpu, ...] = Field(default=(), description="its cards, in PCI bus order")
    cores: int | None = Field(default=None, ge=1, description="number of CPU cores")
    memory: SizeBytes | None = Field(default=None, description="RAM, as in 256GiB")


class Group(Model):
    """A named set of hosts, as in an Ansible inventory."""

    hosts: tuple[Slug, ...] = Field(default=(), description="names of hosts")
    children: tuple[Slug, ...] = Field(default=(), description="names of groups whose hosts belong here too")


class Inventory(Model):
    """All hosts and groups; without any, this machine is the only host."""

    hosts: dict[Slug, Host] = Field(default_factory=lambda: {"local": Host()}, description="hosts by name")
    groups: dict[Slug, Group] = Field(default_factory=dict, description="groups by name")

    def members(self, name: str) -> tuple[str, ...]:
        """Return the hosts that `name` (a host or a group) stands for, in inventory order; empty when unknown."""
        if name in self.hosts:
            return (name,)
        wanted: set[str] = set()
        queue, seen = [name], set[str]()
        while queue:
            group = queue.pop()
            if group in self.groups and group not in seen:
                seen.add(group)
                wanted.update(self.groups[group].hosts)
                queue.extend(self.groups[group].children)
        return tuple(host for host in self.hosts if host in wanted)
