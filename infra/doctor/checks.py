"""All checks, in the order of the table. A new one is a function in a module beside this, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from infra.doctor import card_checks, docker_checks, machine_checks, network_checks
from infra.doctor.asked import Asked
from infra.doctor.finding import error
from infra.doctor.report import HostReport
from infra.errors import Finding

Look = Callable[[Asked, HostReport], Finding | None]


@dataclass(frozen=True)
class Check:
    """One thing looked at. `is_lasting`: what it tells holds for days, not for minutes."""

    name: str
    look: Look
    is_lasting: bool = True
    concerns: Callable[[Asked], bool] = lambda _: True


@dataclass(frozen=True)
class Told:
    """What came of one check on one host; without a finding all is well.

    `is_skipped`: it doesn't concern the host. `is_unknown`: it does, and the host couldn't be asked.
    """

    check: str
    finding: Finding | None = None
    is_skipped: bool = False
    is_unknown: bool = False


def connection(asked: Asked, report: HostReport) -> Finding | None:
    """The host can be asked: for ssh without a password, and with its key known."""
    return None if report.is_known else error(asked, report.problem, report.fix)


def _uses_nvidia(asked: Asked) -> bool:
    return bool(asked.on_cards("cuda"))


def _uses_cards(asked: Asked) -> bool:
    return bool(asked.used_cards)


def _uses_amd(asked: Asked) -> bool:
    return bool(asked.on_cards("rocm"))


def _is_remote(asked: Asked) -> bool:
    return asked.is_remote


def _asks_others(asked: Asked) -> bool:
    return bool(asked.ways)


CONNECTION: Final = Check("connection", connection, is_lasting=False)
KNOWN_HOSTS: Final = Check("known hosts", network_checks.ssh_options, concerns=_is_remote)
CHECKS: Final = (
    Check("docker", docker_checks.docker),
    Check("images", docker_checks.images, is_lasting=False),
    Check("driver", card_checks.driver, concerns=_uses_nvidia),
    Check("device files", card_checks.rocm, concerns=_uses_amd),
    Check("container toolkit", docker_checks.toolkit, concerns=_uses_nvidia),
    Check("cards", card_checks.cards, concerns=_uses_cards),
    Check("card order", card_checks.card_order, concerns=_uses_cards),
    Check("card users", card_checks.card_users, is_lasting=False, concerns=_uses_cards),
    Check("card loss", docker_checks.card_loss, concerns=_uses_nvidia),
    Check("ports", network_checks.ports, is_lasting=False),
    Check("addresses", network_checks.addresses),
    Check("routes", network_checks.routes, is_lasting=False, concerns=_asks_others),
    Check("other hosts", network_checks.reach, is_lasting=False, concerns=_asks_others),
    Check("hub", network_checks.hub_name, is_lasting=False, concerns=lambda asked: bool(asked.hubs)),
    Check("registries", network_checks.registries, is_lasting=False),
    Check("disk", machine_checks.disk, is_lasting=False),
    Check("data root", machine_checks.data_root, concerns=lambda asked: bool(asked.section.disks)),
    Check("directories", machine_checks.directories, is_lasting=False),
    Check("memory", machine_checks.memory, concerns=lambda asked: asked.section.memory is not None),
    Check("memory of the plan", machine_checks.plan_memory),
    Check("free memory", machine_checks.free_memory, is_lasting=False),
    Check("shared memory", machine_checks.shared_memory),
    Check("overcommit", machine_checks.overcommit),
    Check("limits", docker_checks.limits),
    Check("cgroups", docker_checks.cgroups),
    Check("clock", machine_checks.clock, is_lasting=False),
)


def examine(asked: Asked, report: HostReport) -> tuple[Told, ...]:
    """Run every check of a host. Of one that couldn't be asked nothing more is known."""
    first = _run((CONNECTION, KNOWN_HOSTS), asked, report)
    if not report.is_known:
        concerned = {check.name: check.concerns(asked) for check in CHECKS}
        return (*first, *(Told(name, is_skipped=not one, is_unknown=one) for name, one in concerned.items()))
    return (*first, *_run(CHECKS, asked, report))


def _run(checks: Iterable[Check], asked: Asked, report: HostReport) -> tuple[Told, ...]:
    return tuple(
        Told(check.name, check.look(asked, report)) if check.concerns(asked) else Told(check.name, is_skipped=True)
        for check in checks
    )
