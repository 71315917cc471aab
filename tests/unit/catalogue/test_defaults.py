from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.catalogue import defaults
from infra.catalogue.defaults import changed_defaults
from infra.catalogue.flag_table import Known, find_option, versions
from infra.catalogue.versions import parse_version

ENTRIES = json.loads(Path(defaults.__file__).with_suffix(".json").read_text(encoding="utf-8"))["defaults"]


def changed(before: str, after: str, *given: str, device: str = "cuda", kind: str = "chat") -> dict[str, str]:
    numbers = [parse_version(one) for one in (before, after)]
    assert numbers[0] is not None
    assert numbers[1] is not None
    found = changed_defaults(numbers[0], numbers[1], device=device, kind=kind, given=given)
    return {one.flag: f"{one.before} -> {one.after}" for one in found}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['flag']} {entry.get('devices')}")
def test_an_entry_is_of_a_known_flag_and_goes_upwards_through_read_versions(entry: dict[str, dict[str, str]]) -> None:
    assert find_option(str(entry["flag"]), versions()[-1]) is not None
    steps = [parse_version(since) for since in entry["values"]]
    assert steps == sorted(step for step in steps if step is not None)
    assert set(steps) <= set(versions())
    assert steps[0] == versions()[0]
    assert entry["source"]


def test_up_and_down_are_each_others_mirror() -> None:
    assert changed("0.13.0", "0.14.0") == {"async-scheduling": "off -> on where it can be"}
    assert changed("0.14.0", "0.13.0") == {"async-scheduling": "on where it can be -> off"}
    assert changed("0.31.0", "0.32.0") == {}


def test_a_flag_that_is_given_has_no_default() -> None:
    assert changed("0.13.0", "0.14.0", "no-async-scheduling") == {}
    assert changed("0.10.0", "0.10.1", "disable-log-requests") == {}
    assert changed("0.10.0", "0.10.1") == {"enable-log-requests": "on -> off"}


def test_defaults_of_cards_are_not_those_of_cpus() -> None:
    assert changed("0.13.0", "0.14.0", device="cpu") == {}
    assert changed("0.9.2", "0.10.0", device="cpu") == {"max-num-seqs": "32 -> 128"}
    assert changed("0.9.2", "0.10.0") == {}


def test_the_older_name_of_a_flag_is_known_where_the_option_itself_is() -> None:
    found = find_option("guided-decoding-backend", (0, 10, 2))
    assert found is not None
    assert found[0].span.at((0, 10, 2)) is Known.YES
