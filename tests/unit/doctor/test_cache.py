"""A preview asks no other host: it reads what hosts answered last, and says how long ago that was."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.doctor.cache import Kept, age_text, cached_findings, file_of, keep, read
from infra.doctor.report import CardUser, HostReport, Listener, Running
from infra.errors import Severity
from infra.facts.machine import FileSystem
from tests.unit.doctor.given import CARDS, built, fleet, report

GPU, FRONT = fleet()["gpu-a"], fleet()["front"]
OLD_DRIVER = tuple(replace(card, driver="550.90.07") for card in CARDS)
HOUR_S, DAY_S = 3600.0, 86400.0


def kept(age_s: float = 60, asked: Any = GPU, **answers: Any) -> dict[str, Kept]:
    answered = report(asked, **{"asked_at": time.time() - age_s, **answers})
    return {asked.host: Kept(asked.section.connection, answered)}


def told(root: Path) -> list[str]:
    return [f"{one.severity}: {one}" for one in cached_findings(root, "mine", built())]


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    whole = report(
        GPU,
        containers=(Running("a" * 64, "mine", "chat", "hearth-mine-chat", (("::", 80),)),),
        listeners=(Listener("127.0.0.1", 80, "nginx"),),
        card_users=(CardUser(1, "x", None, "GPU-1"),),
        disks={"/": FileSystem("/dev/vda", "/", 2**40, 2**39)},
        volumes=frozenset({"v"}),
        routes={"10.0.0.1": ""},
    )
    keep(tmp_path, "mine", {"gpu-a": Kept("ssh://x", whole)})
    assert read(tmp_path, "mine") == {"gpu-a": Kept("ssh://x", whole)}
    nothing = HostReport(1.0)
    keep(tmp_path, "mine", {"front": Kept("ssh://y", nothing)})
    assert read(tmp_path, "mine") == {"gpu-a": Kept("ssh://x", whole), "front": Kept("ssh://y", nothing)}
    assert [path.name for path in file_of(tmp_path, "mine").parent.iterdir()] == ["mine.json"]


def test_without_answers_nothing_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    assert told(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_wrong_is_a_warning_of_a_preview_with_its_age(tmp_path: Path) -> None:
    keep(tmp_path, "mine", kept(3 * HOUR_S + 5, cards=OLD_DRIVER))
    (only,) = told(tmp_path)
    assert only.startswith("warning: host gpu-a: the NVIDIA driver is 550.90.07")
    assert "(as of 3 hours ago). Install driver 580" in only


def test_what_changes_by_the_minute_is_told_for_an_hour(tmp_path: Path) -> None:
    keep(tmp_path, "mine", kept(50 * 60, FRONT, listeners=(Listener("0.0.0.0", 8080, "java"),)))
    assert ["java (as of 50 minutes ago)" in one for one in told(tmp_path)] == [True]
    keep(tmp_path, "mine", kept(70 * 60, FRONT, listeners=(Listener("0.0.0.0", 8080, "java"),)))
    assert told(tmp_path) == []


def test_answers_older_than_a_day_are_told_to_be_old(tmp_path: Path) -> None:
    keep(tmp_path, "mine", kept(23 * HOUR_S))
    assert told(tmp_path) == []
    keep(tmp_path, "mine", kept(2 * DAY_S + 5))
    (only,) = cached_findings(tmp_path, "mine", built())
    assert only.severity is Severity.NOTICE
    assert str(only) == "host gpu-a: was last asked 2 days ago. Ask anew with `python -m infra doctor --stack mine`."


def test_a_host_that_has_moved_since_has_no_answers(tmp_path: Path) -> None:
    (one,) = kept(cards=OLD_DRIVER).values()
    keep(tmp_path, "mine", {"gpu-a": replace(one, connection="ssh://ops@elsewhere")})
    assert told(tmp_path) == []


def test_this_machine_is_looked_at_and_not_remembered(tmp_path: Path) -> None:
    keep(tmp_path, "mine", {"here": Kept("local", report(GPU, cards=OLD_DRIVER))})
    inventory = {"hosts": {"here": {"gpus": [{"id": CARDS[0].id, "model": "H100-80GB"}]}}}
    models = {"chat": {"source": "Qwen/Qwen3-8B", "context": 8192}}
    assert cached_findings(tmp_path, "mine", built(inventory=inventory, models=models, edge={"expose": None})) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "hosts": {}}', '{"version": 1, "hosts": {"a": 1}}'])
def test_a_file_that_is_none_counts_as_none(tmp_path: Path, text: str) -> None:
    path = file_of(tmp_path, "mine")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert read(tmp_path, "mine") == {}
    assert told(tmp_path) == []


def test_the_file_has_no_more_than_was_asked(tmp_path: Path) -> None:
    """What Docker says of itself can have a proxy's password: only what checks read is kept."""
    keep(tmp_path, "mine", kept())
    written = json.loads(file_of(tmp_path, "mine").read_text())["hosts"]["gpu-a"]["report"]
    assert set(written["daemon"]) == set(vars(report(GPU).daemon))
    assert written["daemon"]["has_proxy"] is False


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(3, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (DAY_S, "1 day ago"), (9 * DAY_S, "9 days ago")],
)
def test_ages_are_told_in_whole_units(age_s: float, text: str) -> None:
    assert age_text(age_s) == text
