"""What runs on every host of a stack: exporters of hosts, containers and cards."""

from __future__ import annotations

from typing import ClassVar, Final

from infra.catalogue.gpus import find_gpu
from infra.config.schema import StackConfig
from infra.errors import Finding
from infra.services.base import Context, Endpoint, S, Scope, Service

# What a model's device is called whose engines run on cards of a maker.
_DEVICES: Final = {"nvidia": "cuda", "amd": "rocm"}


class EveryHost(Service[S]):
    """A service with one instance on every host in use; `place` leaves it to some of them.

    `stem` is the instance's name on a lone host; of several each has the host's name behind it. `port` is where it answers.
    """

    stem: ClassVar[str]
    port: ClassVar[int]

    def suits(self, config: StackConfig, host: str) -> bool:
        """Whether the service has anything to do on a host."""
        del config, host
        return True

    def hosts(self, settings: S, scope: Scope) -> tuple[str, ...]:
        """Return the hosts it runs on."""
        chosen = scope.config.inventory.members(settings.place) if settings.place else scope.hosts
        return tuple(host for host in scope.hosts if host in chosen and self.suits(scope.config, host))

    def instance(self, host: str, scope: Scope) -> str:
        """Return the name of a host's instance."""
        return self.stem if len(scope.hosts) == 1 else f"{self.stem}-{host}"

    def endpoints(self, settings: S, scope: Scope) -> tuple[Endpoint, ...]:
        """Return one endpoint per host."""
        return tuple(
            Endpoint(self.name, self.instance(host, scope), host, self.port, metrics_path="/metrics")
            for host in self.hosts(settings, scope)
        )

    def findings(self, settings: S, context: Context) -> tuple[Finding, ...]:
        """Say when it was placed where the stack runs nothing."""
        members = context.config.inventory.members(settings.place) if settings.place else ()
        if not members or set(members) & set(context.hosts):
            return ()
        problem = f"{settings.place} is not used by this stack, only {', '.join(context.hosts)}"
        return (Finding(f"hearth:{self.section}.place", problem, "remove it: it runs on every host in use"),)


class CardExporter(EveryHost[S]):
    """An exporter that runs where cards of its maker (`vendor`: nvidia or amd) are, and nowhere else."""

    vendor: ClassVar[str]

    def suits(self, config: StackConfig, host: str) -> bool:
        """Whether a host has such cards."""
        return bool(self.cards(config, host))

    def cards(self, config: StackConfig, host: str) -> tuple[str, ...]:
        """Return the cards of its maker that a host has, by UUID or number."""
        kinds = ((gpu.id, find_gpu(gpu.model)) for gpu in config.inventory.hosts[host].gpus)
        return tuple(card for card, kind in kinds if kind is not None and kind.vendor == self.vendor)

    def runs(self, settings: S, config: StackConfig) -> bool:
        """Whether a host that the stack may use has such cards."""
        return super().runs(settings, config) and self._is_wanted(config)

    def absence(self, config: StackConfig) -> Finding | None:
        """Say that it is left out only where it would have something to say."""
        return super().absence(config) if self._is_wanted(config) else None

    def _is_wanted(self, config: StackConfig) -> bool:
        return any(self.suits(config, host) for host in _may_be_used(config, self.vendor))


def _may_be_used(config: StackConfig, vendor: str) -> tuple[str, ...]:
    """Return where services go by themselves, where engines are placed, and where engines on such cards may be.

    Any other host may be listed for another stack.
    """
    hosts = config.inventory.hosts
    engines = {
        host
        for model in config.models.values()
        if model.place or model.device == _DEVICES[vendor]
        for host in (config.inventory.members(model.place) if model.place else hosts)
    }
    return (*tuple(hosts)[:1], *(host for host in tuple(hosts)[1:] if host in engines))
