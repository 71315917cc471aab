"""One host, asked through a daemon that is played."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from infra.config.inventory import Host
from infra.config.restart import Restart
from infra.config.schema import StackConfig
from infra.drift import command
from infra.drift.difference import Difference, Wins
from infra.drift.engine import Preview
from infra.drift.hosts import HostAnswer, Known, ask_host
from infra.services.base import STATUS_FILE, ConfigFile, Probe, Volume, Workload
from infra.targets.docker.connection import Connection, UnreachableError
from infra.targets.docker.declared import Site, sites
from infra.targets.docker.mapping import Names
from tests.unit.drift.daemon import IMAGE, made

FLAGS = ["vllm", "serve", "/m", "--port", "8000"]
ENGINE = Workload(
    "chat",
    "vllm",
    "box",
    "example/image:1",
    ("python3", "/opt/hearth/engine"),
    Restart(),
    files=(ConfigFile("/etc/hearth/engine.json", json.dumps({"command": FLAGS})),),
    volumes=(Volume("data", "/data"),),
    probe=Probe(8001, "/health"),
    supervised=True,
)
STEP = Workload("fetch", "prefetch", "box", "example/image:1", ("fetch",), Restart(policy="no"), one_shot=True)
SITE = sites(
    StackConfig(), [replace(ENGINE, host="local"), replace(STEP, host="local")], Names("hearth", "mine"), Path()
)
URN = "urn:pulumi:mine::hearth::hearth:index:Stack$docker:index/container:Container::chat"


class Daemon:
    """A daemon with containers by name; `says` is what programs print, by the last word of the command."""

    def __init__(self) -> None:
        site = SITE["local"]
        self.there = {
            f"hearth-mine-{name}": made(dict(declared.arguments)) for name, declared in site.containers.items()
        }
        self.there["hearth-mine-fetch"]["State"] |= {"Status": "exited", "Running": False}
        self.names = {"hearth-mine", *site.volumes}
        self.strangers: list[dict[str, Any]] = []
        self.processes = [["1", "python3 /opt/hearth/engine"], ["7", f"/usr/bin/python3 /usr/bin/{' '.join(FLAGS)}"]]
        self.says: dict[str, str] = {STATUS_FILE: '{"state": "running"}'}
        self.files = {file.path: file.content for file in ENGINE.files}

    @property
    def api(self) -> Daemon:
        return self

    def inspect_container(self, name: str) -> dict[str, Any]:
        return self._found(self.there, name)

    def inspect_image(self, reference: str) -> dict[str, Any]:
        return self._found({"example/image:1": IMAGE, IMAGE["Id"]: IMAGE}, reference)

    def inspect_network(self, name: str) -> None:
        self._found({key: {} for key in self.names}, name)

    inspect_volume = inspect_network

    def containers(self, *, all: bool) -> list[dict[str, Any]]:  # noqa: A002 - the SDK's name
        assert all
        return self.strangers

    def top(self, container: str, ps_args: str) -> dict[str, Any]:
        del container, ps_args
        return {"Processes": self.processes}

    def exec_create(self, container: str, argv: list[str], **more: Any) -> dict[str, Any]:
        del container, more
        return {"Id": argv}

    def exec_start(self, argv: list[str], *, demux: bool = False) -> Any:
        said = self.says.get(argv[-1], "").encode()
        return (said, b"no such file\n") if demux else b""

    def exec_inspect(self, argv: list[str]) -> dict[str, Any]:
        return {"ExitCode": int(argv[-1] not in self.says)}

    def get_archive(self, container: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
        from tests.unit.drift.test_files import Api  # noqa: PLC0415 - the same archives

        return Api({key: text.encode() for key, text in self.files.items()}).get_archive(container, path)

    @staticmethod
    def _found(known: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in known:
            raise docker.errors.NotFound(name)
        return copy.deepcopy(known[name])


def site_of(daemon: Daemon, problem: str = "") -> Site:
    class Way(Connection):
        @contextmanager
        def client(self, answer_s: float = 0) -> Iterator[Any]:
            del answer_s
            if problem:
                raise UnreachableError(problem)
            yield daemon

    return replace(SITE["local"], connection=Way("local", "unix:///nowhere"))


def asked(daemon: Daemon, ids: dict[str, str] | None = None) -> HostAnswer:
    return ask_host(site_of(daemon), Known("mine", ids or {}, {}), Host())


def told(daemon: Daemon) -> list[tuple[str, str, Wins]]:
    return [(one.what, one.aspect, one.wins) for one in asked(daemon).differences]


def test_a_host_as_declared_differs_in_nothing() -> None:
    assert asked(Daemon()) == HostAnswer("local")


def test_a_host_that_cannot_be_asked_is_a_problem_of_its_own() -> None:
    answer = ask_host(site_of(Daemon(), "local (unix:///nowhere): no route"), Known("mine", {}, {}), Host())
    assert answer == HostAnswer("local", problem="local (unix:///nowhere): no route")


def test_what_is_gone_is_told_but_for_a_step_that_has_ended() -> None:
    daemon = Daemon()
    daemon.there.clear()
    daemon.names.clear()
    assert told(daemon) == [
        ("chat", "container", Wins.DECLARED),
        ("hearth-mine", "network", Wins.DECLARED),
        ("hearth-mine-data", "volume", Wins.DECLARED),
    ]


def test_another_container_of_the_same_name_is_told() -> None:
    (one,) = asked(
        Daemon(), {URN: "the one that was made", URN.replace("chat", "fetch"): "c0ffee" * 10 + "c0ff"}
    ).differences
    assert (one.aspect, one.wins) == ("container", Wins.NAMESAKE)


@pytest.mark.parametrize(
    ("stranger", "sign"),
    [
        ({"Labels": {"hearth.stack": "mine"}}, "label hearth.stack=mine"),
        ({"NetworkSettings": {"Networks": {"hearth-mine": {}}}}, "the stack's network"),
        ({"Names": ["/hearth-mine-chat-old"]}, "a name like the stack's"),
    ],
)
def test_a_container_that_looks_like_the_stacks_is_told_with_the_sign(stranger: dict[str, Any], sign: str) -> None:
    daemon = Daemon()
    nobody: dict[str, Any] = {"Id": "ab" * 32, "Names": ["/mine"], "Labels": None, "NetworkSettings": {"Networks": {}}}
    other = {**nobody, "Names": ["/other"], "Labels": {"hearth.stack": "other"}}
    daemon.strangers = [{**nobody, "Names": ["/hearth-mine-chat"]}, other, {**nobody, **stranger}]
    (one,) = asked(daemon).differences
    assert sign in one.seen
    assert one.wins is Wins.NOBODY


def test_flags_of_the_running_process_are_told_apart() -> None:
    daemon = Daemon()
    daemon.processes[1] = ["7", f"python3 /usr/bin/{' '.join(FLAGS)} --max-logprobs 7"]
    (one,) = asked(daemon).differences
    assert (one.aspect, one.declared, one.seen) == ("engine flags in effect", "-", "… --max-logprobs 7")
    # While it starts, there is no such process.
    daemon.processes = daemon.processes[:1]
    assert told(daemon) == []


def test_an_engine_that_has_given_up_is_told_once_and_with_its_cause() -> None:
    daemon = Daemon()
    daemon.there["hearth-mine-chat"]["State"]["Health"] = {"Status": "unhealthy"}
    assert told(daemon) == [("chat", "state", Wins.SEEN)]
    daemon.says[STATUS_FILE] = json.dumps({"state": "failed", "last_end": {"says": "no memory", "fix": "less context"}})
    (one,) = asked(daemon).differences
    assert one.seen == "failed: no memory. Fix: less context"
    assert one.repair("mine").startswith("docker kill --signal HUP hearth-mine-chat ")


def test_a_program_that_does_not_answer_is_not_compared_and_the_rest_is() -> None:
    daemon = Daemon()
    del daemon.says[STATUS_FILE]
    daemon.there["hearth-mine-chat"]["HostConfig"]["PidsLimit"] = 9
    answer = asked(daemon)
    assert answer.uncompared == ("what is in effect in chat: no such file",)
    assert [one.aspect for one in answer.differences] == ["process limit"]
    daemon.says[STATUS_FILE] = "[]"
    assert "isn't understood" in asked(daemon).uncompared[0]


def test_what_the_engine_would_make_anew_keeps_nothing() -> None:
    def one(what: str, wins: Wins) -> Difference:
        return Difference("box", what, "x", "a", "b", wins, f"urn:{what}", mend="docker restart")

    found = [one("anew", Wins.SEEN), one("left", Wins.SEEN), one("anew", Wins.DATABASE)]
    found += [one("taken", Wins.NAMESAKE), one("taken", Wins.SEEN)]
    judged = command._judged(found, Preview(replaced=frozenset({"urn:anew", "urn:taken"})))
    wins = [each.wins for each in judged]
    assert wins == [Wins.DECLARED, Wins.SEEN, Wins.DATABASE, Wins.NAMESAKE, Wins.SEEN]
    assert judged[0].repair("mine") == "make up STACK=mine"
