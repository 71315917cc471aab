"""The root of a stack file, and the checks that need two sections at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from pydantic import Field

from infra.config.inventory import Inventory
from infra.config.models import ModelServer
from infra.config.policy import PolicySettings
from infra.config.restart import Restart
from infra.config.types import ImageRef, Model, Slug, reachable, size_text
from infra.errors import Finding

# NCCL's and the workers' buffers of a small group; the multi-GPU examples of vLLM use ten times as much.
_LEAST_SHM_BYTES: Final = 2**30


class StackConfig(Model):
    """Everything below `hearth:` that is not a service's own section."""

    target: Slug = Field(
        default="docker", description="where the stack runs: docker (default docker: it needs nothing but a host)"
    )
    extends: Slug | None = Field(default=None, description="name of a stack whose file is the base of this one")
    image_source: Literal["official", "built"] = Field(
        default="official",
        alias="imageSource",
        description="official images from their registries, or built: made from Debian and Python packages by make up "
        "(default official: they carry GPU kernels)",
    )
    images: dict[str, ImageRef] = Field(
        default_factory=dict, description="image by service name, when another than the default is wanted"
    )
    inventory: Inventory = Field(default_factory=Inventory, description="hosts and groups")
    models: dict[Slug, ModelServer] = Field(default_factory=dict, description="models to serve, by served name")
    restart: Restart = Field(
        default_factory=Restart, description="restart promise of everything that has none of its own"
    )

    policy: PolicySettings = Field(
        default_factory=PolicySettings, description="levels of policy rules, and exceptions from them"
    )

    def findings(self) -> list[Finding]:
        """Check what no single field can: names that point to other sections, and cycles."""
        found = []
        for group, members in self.inventory.groups.items():
            path = f"hearth:inventory.groups.{group}"
            found += [
                Finding(
                    f"{path}.hosts", f"no host is named {host!r}", f"name one of: {', '.join(self.inventory.hosts)}"
                )
                for host in members.hosts
                if host not in self.inventory.hosts
            ]
            found += [
                Finding(
                    f"{path}.children",
                    f"no group is named {child!r}",
                    f"name one of: {', '.join(self.inventory.groups)}",
                )
                for child in members.children
                if child not in self.inventory.groups
            ]
        before = {name: model.after for name, model in self.models.items()}
        for name, model in self.models.items():
            found += self._model_findings(f"hearth:models.{name}", name, model, before)
        return found

    def _model_findings(
        self, path: str, name: str, model: ModelServer, before: Mapping[str, Iterable[str]]
    ) -> list[Finding]:
        found = []
        if model.place and not self.inventory.members(model.place):
            known = ", ".join([*self.inventory.hosts, *self.inventory.groups])
            found.append(
                Finding(f"{path}.place", f"no host or group is named {model.place!r}", f"name one of: {known}")
            )
        others = [other for other in self.models if other != name]
        found += [
            Finding(
                f"{path}.after", f"no other model is named {other!r}", f"name one of: {', '.join(others) or 'none yet'}"
            )
            for other in model.after
            if other not in others
        ]
        if name in reachable(model.after, before):
            found.append(Finding(f"{path}.after", "waits for itself in a circle", "remove one of the after: entries"))
        if model.device == "cpu" and (model.gpus or model.tensor_parallel > 1 or model.pipeline_parallel > 1):
            found.append(
                Finding(path, "is a CPU engine with gpus or tensor_parallel", "remove them, or set device: cuda")
            )
        if model.cards > 1 and model.shm is not None and model.shm < _LEAST_SHM_BYTES:
            problem = (
                f"is {size_text(model.shm)} for {model.cards} ranks: they exchange messages there and stop at start"
            )
            found.append(Finding(f"{path}.shm", problem, "give 1GiB or more, or leave it out (10GiB)"))
        if model.device != "cpu" and model.cores:
            found.append(
                Finding(f"{path}.cores", f"has no meaning for device {model.device}", "remove it, or set device: cpu")
            )
        if model.gpus and len(model.gpus) != model.cards * model.replicas:
            wanted = f"{model.replicas} replicas x {model.cards} cards each (tensor_parallel x pipeline_parallel)"
            fix = f"name {model.cards * model.replicas} cards, or change tensor_parallel or replicas"
            found.append(Finding(f"{path}.gpus", f"names {len(model.gpus)} cards for {wanted}", fix))
        if model.gpus and not model.place and len(self.inventory.hosts) > 1:
            fix = f"add place: with one of {', '.join(self.inventory.hosts)}"
            found.append(Finding(f"{path}.gpus", "names cards without the host they are in", fix))
        return found
