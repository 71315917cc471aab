"""What runs on every host of a stack, against what is declared: `pytest tests/host --stack prod`.

The declaration is the source, as for `up`: each host, container and model is a test of its own.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import testinfra

from infra.config.load import read_stack_file
from infra.errors import Severity
from infra.pipeline import PROJECT, Built, build
from infra.targets.docker.declared import Declared, Site, sites
from infra.targets.docker.mapping import Names

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Declaration:
    """The stack as it is declared."""

    stack: str
    built: Built
    sites: Mapping[str, Site]


class Machine:
    """One host: a shell on it, by testinfra, and what its Docker says of the stack's containers."""

    def __init__(self, site: Site) -> None:
        self.site = site
        address = site.connection.address
        if site.connection.is_remote:
            parts = urlsplit(address)
            user, port = (f"{parts.username}@" if parts.username else ""), (f":{parts.port}" if parts.port else "")
            options = " ".join(shlex.quote(option) for option in site.connection.ssh_options)
            spec = f"ssh://{user}{parts.hostname}{port}"
            self.shell = testinfra.get_host(spec, ssh_extra_args=f"-o BatchMode=yes {options}")
            self._docker = "docker"
        else:
            self.shell = testinfra.get_host("local://")
            self._docker = f"docker -H {shlex.quote(address)}"

    def docker(self, arguments: str) -> str:
        """Run the docker client there, and return what it prints."""
        ran = self.shell.run(f"{self._docker} {arguments}")
        assert ran.rc == 0, f"{self.site.host}: docker {arguments[:80]}: {ran.stderr.strip() or ran.stdout.strip()}"
        return str(ran.stdout)

    @cache  # noqa: B019 - as long as the run: one question per host, however many tests ask
    def containers(self) -> dict[str, Any]:
        """Return what Docker says of every declared container that is there, by name."""
        names = " ".join(shlex.quote(one.arguments["name"]) for one in self.site.containers.values())
        ran = self.shell.run(f"{self._docker} inspect --type container {names}")
        assert ran.stdout.strip().startswith("["), f"{self.site.host} can't be asked: {ran.stderr.strip()}"
        return {one["Name"].lstrip("/"): one for one in json.loads(ran.stdout)}

    @cache  # noqa: B019 - as long as the run
    def image_id(self, reference: str) -> str:
        """Return what a reference means on this host by now."""
        return self.docker(f"image inspect --format '{{{{.Id}}}}' {shlex.quote(reference)}").strip()


@dataclass(frozen=True)
class Running:
    """One declared container, and what Docker says of it."""

    machine: Machine
    instance: str
    declared: Declared

    @property
    def name(self) -> str:
        return str(self.declared.arguments["name"])

    @property
    def seen(self) -> dict[str, Any]:
        """Return what `docker inspect` prints; fails when it isn't there."""
        found = self.machine.containers()
        assert self.name in found, f"{self.instance} isn't on {self.machine.site.host}: `make up`"
        return dict(found[self.name])

    @property
    def is_step(self) -> bool:
        """Whether it runs to its end."""
        return not self.declared.arguments["must_run"]

    def exec(self, command: str) -> str:
        """Run a command inside, and return what it prints."""
        return self.machine.docker(f"exec {self.name} {command}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    group = parser.getgroup("hearth")
    group.addoption("--stack", default="local", help="stack whose hosts are looked at (default: local)")
    group.addoption(
        "--on", action="append", default=[], metavar="HOST", help="this host alone; may be given several times"
    )


@cache
def declaration(stack: str) -> Declaration:
    """Return a stack's declaration; a wrong one ends the run with everything that is wrong."""
    written, found = read_stack_file(ROOT, stack)
    built, findings = build(written, stack, found)
    errors = sorted({str(finding) for finding in findings if finding.severity is Severity.ERROR})
    if built is None or errors:
        raise pytest.UsageError("\n".join(["the declaration is wrong:", *errors]))
    return Declaration(stack, built, sites(built.config, built.workloads, Names(PROJECT, stack), ROOT))


@cache
def machine(stack: str, host: str) -> Machine:
    """Return a host, connected once."""
    return Machine(declaration(stack).sites[host])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per host, container, engine and model, as the test's arguments want."""
    stack, chosen = metafunc.config.getoption("--stack"), metafunc.config.getoption("--on")
    known = declaration(stack)
    unknown = sorted(set(chosen) - set(known.sites))
    if unknown:
        raise pytest.UsageError(f"--on: the stack has nothing on {', '.join(unknown)}; it has {', '.join(known.sites)}")
    hosts = [host for host in known.sites if not chosen or host in chosen]
    containers = [
        Running(machine(stack, host), instance, one)
        for host in hosts
        for instance, one in known.sites[host].containers.items()
    ]
    engines = [one for one in containers if _is_engine(known, one)]
    wanted: dict[str, tuple[list[Any], list[str]]] = {
        "host_machine": ([machine(stack, host) for host in hosts], hosts),
        "container": (containers, [f"{one.machine.site.host}-{one.instance}" for one in containers]),
        "engine": (engines, [f"{one.machine.site.host}-{one.instance}" for one in engines]),
        "model": ((models := sorted(known.built.declaration.context.served())), models),
    }
    for name, (values, ids) in wanted.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values, ids=ids)


def _is_engine(known: Declaration, one: Running) -> bool:
    return any(placement.instance == one.instance for placement in known.built.plan.placements)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Declaration:
    """The declaration that is looked for."""
    return declaration(request.config.getoption("--stack"))
