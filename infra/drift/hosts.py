"""Asks one host's daemon for all that a stack has there, and compares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.config.inventory import Host
from infra.drift.containers import compare
from infra.drift.difference import Difference, Wins
from infra.drift.files import files
from infra.drift.look import NOTHING, apart
from infra.drift.programs import PROGRAMS, Inside, Note, Told, UnaskedError, runner
from infra.facts.host import HostFacts, collect
from infra.pipeline import PROJECT
from infra.services.base import Workload
from infra.targets.docker.connection import UnreachableError
from infra.targets.docker.declared import Declared, Site
from infra.targets.docker.mapping import Names

if TYPE_CHECKING:
    import docker

_ENGINE_SETTINGS: Final = "/etc/hearth/engine.json"
# By the beginning of an aspect: the edit that makes what runs the declaration.
_ADOPT: Final = {
    "environment ": "write it in environment: of that service or model",
    "restart policy": "write restart: of that service or model",
    "memory limit": "write memory: of that service or model",
    "published ports": "write expose: and expose_address: of that service",
    "engine flags": "write the model's own fields, or its args:",
    "image": "write the reference in hearth:images",
    "file /etc/": "change the setting that the file is rendered from; a file itself isn't adopted",
}
_ID_DIGITS: Final = 12
_LASTING: Final = ("GPU-", "MIG-")


@dataclass(frozen=True)
class HostAnswer:
    """What differs on one host; with a `problem` it couldn't be asked, and nothing is known.

    `uncompared` are programs that didn't answer, `notes` what is no difference and worth a line to who asks.
    """

    host: str
    differences: tuple[Difference, ...] = ()
    problem: str = ""
    uncompared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What the engine knows: ids of what it made by urn, and values of secrets by name (None: they can't be read)."""

    stack: str
    ids: Mapping[str, str]
    secrets: Mapping[str, str] | None


def ask_host(site: Site, known: Known, about: Host) -> HostAnswer:
    """Compare one host. `about` is what the inventory says of it."""
    import docker  # noqa: PLC0415 - a preview never asks

    uncompared: list[str] = []
    notes: list[str] = []
    try:
        with site.connection.client() as client:
            found = [
                *_containers(client, site, known, uncompared, notes),
                *_strangers(client, site, known.stack),
                *_places(client, site, known.stack),
            ]
    except (UnreachableError, docker.errors.DockerException, OSError) as error:
        return HostAnswer(site.host, problem=str(error))
    if about.gpus:
        found += card_differences(site.host, about, collect(about.connection, ssh_options=about.ssh_options))
    return HostAnswer(site.host, tuple(sorted(found)), uncompared=tuple(uncompared), notes=tuple(notes))


def namesakes(site: Site, known: Known) -> Iterator[tuple[str, str]]:
    """Remove containers that have the name of one of the stack's and aren't the engine's; yield host and name of each.

    Raises UnreachableError when the host can't be asked.
    """
    import docker  # noqa: PLC0415 - a preview never asks

    with site.connection.client() as client:
        for declared in site.containers.values():
            try:
                seen = client.api.inspect_container(declared.arguments["name"])
            except docker.errors.NotFound:
                continue
            if _is_namesake(declared.urn(PROJECT, known.stack), seen, known):
                client.api.remove_container(seen["Id"], force=True)
                yield site.host, declared.arguments["name"]


def _is_namesake(urn: str, seen: Mapping[str, Any], known: Known) -> bool:
    return bool(known.ids) and known.ids.get(urn) != seen["Id"]


def _containers(
    client: docker.DockerClient, site: Site, known: Known, uncompared: list[str], notes: list[str]
) -> Iterator[Difference]:
    import docker  # noqa: PLC0415 - a preview never asks

    images = {reference: _image(client, reference) for reference in site.images}
    workloads = {workload.instance: workload for workload in site.workloads}
    for instance, declared in site.containers.items():
        urn = declared.urn(PROJECT, known.stack)
        try:
            seen = client.api.inspect_container(declared.arguments["name"])
        except docker.errors.NotFound:
            # `docker container prune` takes a step that has ended; the engine says whether it is made again.
            if declared.arguments["must_run"]:
                yield Difference(site.host, instance, "container", "there", "not there", Wins.DECLARED, urn)
            continue
        if _is_namesake(urn, seen, known):
            other = f"another of its name ({seen['Id'][:_ID_DIGITS]})"
            yield Difference(site.host, instance, "container", "the one that was made", other, Wins.NAMESAKE, urn)
        image = images.get(seen["Image"]) or _image(client, seen["Image"])
        found = [
            *compare(declared.arguments, seen, image, images[declared.arguments["image"]]),
            *files(client, seen, declared.arguments, known.secrets),
            *_flags(client, seen, workloads[instance]),
        ]
        told = _programs(client, seen, workloads[instance], uncompared, notes)
        better = {one.aspect for one in told}
        for aspect, wanted, there, wins in found:
            if aspect not in better:
                adopt = next((edit for start, edit in _ADOPT.items() if aspect.startswith(start)), "")
                yield Difference(site.host, instance, aspect, wanted, there, wins, urn, adopt)
        # A program that starts again would read an edited file again.
        is_edited = any(aspect.startswith("file ") for aspect, *_ in found)
        for one in told:
            mend = one.repair.replace("CONTAINER", declared.arguments["name"])
            wins = Wins.SEEN if is_edited and one.wins is Wins.PROGRAM else one.wins
            if wins is Wins.PROGRAM and not mend:
                mend = f"docker restart {declared.arguments['name']} on {site.host}"
            yield Difference(site.host, instance, *one[:3], wins, urn, one.adopt, mend)


def _programs(
    client: docker.DockerClient, seen: Mapping[str, Any], workload: Workload, uncompared: list[str], notes: list[str]
) -> list[Told]:
    """Ask what is in effect in a program that runs; one that hasn't started yet has nothing in effect."""
    state = seen["State"]
    is_starting = state.get("Health", {}).get("Status") == "starting"
    # An entry point tells from its first moment on.
    if not state["Running"] or state["Paused"] or (is_starting and not workload.supervised):
        return []
    inside, told = Inside(workload, runner(client, seen["Id"])), []
    for look in PROGRAMS.get(workload.service, ()):
        try:
            for one in look(inside):
                if isinstance(one, Note):
                    notes.append(f"{workload.instance}: {one.text}")
                else:
                    told.append(one)
        except UnaskedError as error:
            uncompared.append(f"what is in effect in {workload.instance}: {error}")
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            # A version that answers in another shape.
            uncompared.append(f"what is in effect in {workload.instance}: its answer isn't understood ({error!r})")
    return told


def _image(client: docker.DockerClient, reference: str) -> Mapping[str, Any]:
    import docker  # noqa: PLC0415 - a preview never asks

    try:
        image: Mapping[str, Any] = client.api.inspect_image(reference)
    except docker.errors.NotFound:
        return {}
    return image


def _flags(
    client: docker.DockerClient, seen: Mapping[str, Any], workload: Workload
) -> Iterator[tuple[str, str, str, Wins]]:
    """The flags that a running engine was really started with."""
    settings = next((file.content for file in workload.files if file.path == _ENGINE_SETTINGS), None)
    if settings is None or not seen["State"]["Running"] or seen["State"]["Paused"]:
        return
    wanted = " ".join(json.loads(settings)["command"])
    # Wide: a daemon whose environment has COLUMNS would cut the line.
    listed = client.api.top(seen["Id"], ps_args="-ww -eo pid,args")["Processes"] or ()
    there = [command[command.index("vllm serve") :] for *_, command in listed if "vllm serve" in command]
    if there and wanted not in there:
        yield "engine flags in effect", *apart(wanted.split(), there[0].split()), Wins.SEEN


def _strangers(client: docker.DockerClient, site: Site, stack: str) -> Iterator[Difference]:
    """Containers that look as if they were the stack's, and aren't declared."""
    names = Names(PROJECT, stack)
    declared = {f"/{one.arguments['name']}" for one in site.containers.values()}
    for one in client.api.containers(all=True):
        own_names = set(one["Names"] or ())
        if own_names & declared:
            continue
        signs = [
            sign
            for sign, is_there in (
                (f"label {PROJECT}.stack={stack}", (one["Labels"] or {}).get(f"{PROJECT}.stack") == stack),
                ("the stack's network", names.network in (one["NetworkSettings"]["Networks"] or {})),
                ("a name like the stack's", any(name.startswith(f"/{names.of('')}") for name in own_names)),
            )
            if is_there
        ]
        if signs:
            name = min(own_names, default=one["Id"][:_ID_DIGITS]).lstrip("/")
            yield Difference(site.host, name, "container", NOTHING, f"there, with {', '.join(signs)}", Wins.NOBODY)


def _places(client: docker.DockerClient, site: Site, stack: str) -> Iterator[Difference]:
    """The network and the volumes, where they are gone."""
    import docker  # noqa: PLC0415 - a preview never asks

    def gone(resource: Declared, kind: str, inspect: Any) -> Iterator[Difference]:
        try:
            inspect(resource.arguments["name"])
        except docker.errors.NotFound:
            urn = resource.urn(PROJECT, stack)
            yield Difference(site.host, resource.arguments["name"], kind, "there", "not there", Wins.DECLARED, urn)

    yield from gone(site.network, "network", client.api.inspect_network)
    for volume in site.volumes.values():
        yield from gone(volume, "volume", client.api.inspect_volume)


def card_differences(host: str, about: Host, facts: HostFacts) -> Iterator[Difference]:
    """Cards whose UUIDs the inventory has otherwise, and another driver."""
    adopt = "python -m infra facts --inventory FILE --write"
    if not facts.is_known:
        yield Difference(host, "cards", "answer", "known", str(facts.findings[0].problem), Wins.NOBODY)
        return
    wanted = {gpu.id for gpu in about.gpus if gpu.id.startswith(_LASTING)}
    there: Sequence[str] = [card.id for card in facts.cards]
    for card in sorted(wanted - set(there)):
        yield Difference(host, card, "card", "there", "not there", Wins.NOBODY, adopt=adopt)
    for card in sorted(set(there) - wanted) if wanted else ():
        yield Difference(host, card, "card", NOTHING, "there", Wins.NOBODY, adopt=adopt)
    driver = next((card.driver for card in facts.cards if card.driver), None)
    if about.driver is not None and driver is not None and about.driver != driver:
        yield Difference(host, "cards", "driver", about.driver, driver, Wins.NOBODY, adopt=adopt)
