from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.facts import to_yaml

FACTS = {"connection": "ssh://ops@10.0.0.1:2222", "cores": 8, "gpus": [{"id": "GPU-1", "model": "X"}]}

FOUND = {"cores": 8, "gpus": FACTS["gpus"]}
NEW = {"ansible_host": "10.0.0.1", "ansible_user": "ops", "ansible_port": 2222, **FOUND}


def merged(facts: dict[str, dict[str, Any]], existing: dict[str, Any]) -> Any:
    return yaml.safe_load(to_yaml(facts, existing))


def test_a_new_inventory_is_one_that_ansible_reads_too() -> None:
    assert merged({"gpu01": FACTS}, {}) == {"all": {"hosts": {"gpu01": NEW}}}
    assert merged({"gpu01": {"connection": "ssh://gpu01"}}, {}) == {"all": {"hosts": {"gpu01": {}}}}
    assert merged({"x": {"connection": "local"}}, {}) == {"all": {"hosts": {"x": {"ansible_connection": "local"}}}}


@pytest.mark.parametrize(("before", "after"), [("runtime", "runtime"), ("device-request", "cdi"), (None, "cdi")])
def test_a_way_to_cards_that_only_people_choose_stays(before: str | None, after: str) -> None:
    existing = {"hosts": {"gpu01": {"connection": "local", **({"gpu_access": before} if before else {})}}}
    made = merged({"gpu01": {**FACTS, "gpu_access": "cdi"}}, existing)
    assert made["hosts"]["gpu01"]["gpu_access"] == after


def test_facts_are_replaced_and_hand_written_keys_stay() -> None:
    before = {"gpu": {"hosts": {"gpu01": {"ansible_host": "10.0.0.1", "cores": 2, "driver": "1", "rack": "r7"}}}}
    after = merged({"gpu01": FACTS}, before)["gpu"]["hosts"]["gpu01"]
    assert after == {
        "ansible_host": "10.0.0.1",
        "rack": "r7",
        "cores": 8,
        "gpus": FACTS["gpus"],
        # A fact that wasn't found again keeps its old value nowhere: no driver, no line.
    }


def test_a_host_is_found_in_deep_groups_and_others_are_not_touched() -> None:
    before: dict[str, Any] = {
        "all": {
            "vars": {"x": 1},
            "children": {"site": {"children": {"gpu": {"hosts": {"gpu01": None, "gpu02": {"cores": 3}}}}}},
        }
    }
    kept = copy.deepcopy(before)
    after = merged({"gpu01": FACTS}, before)
    assert before == kept
    hosts = after["all"]["children"]["site"]["children"]["gpu"]["hosts"]
    assert hosts["gpu01"] == {"cores": 8, "gpus": FACTS["gpus"]}, "its connection is the one that people wrote"
    assert hosts["gpu02"] == {"cores": 3}
    assert after["all"]["vars"] == {"x": 1}


def test_a_host_of_a_range_gets_an_entry_of_its_own() -> None:
    after = merged({"gpu01": FACTS}, {"gpu": {"hosts": {"gpu[01:16]": None}}})
    assert after == {"gpu": {"hosts": {"gpu[01:16]": None}}, "all": {"hosts": {"gpu01": NEW}}}


def test_hearths_own_shape_stays_its_own_shape() -> None:
    after = merged({"gpu01": FACTS}, {"hosts": {"a": {}}, "groups": {"g": {"hosts": ["a"]}}})
    assert after == {"hosts": {"a": {}, "gpu01": FACTS}, "groups": {"g": {"hosts": ["a"]}}}


def test_a_host_that_did_not_answer_changes_nothing() -> None:
    before = {"all": {"hosts": {"gpu01": {"cores": 2}}}}
    assert merged({"gpu01": {}}, before) == before


def test_writing_twice_changes_nothing_and_has_no_anchors() -> None:
    text = to_yaml({"a": FACTS, "b": FACTS}, {})
    assert to_yaml({"a": FACTS, "b": FACTS}, yaml.safe_load(text)) == text
    assert "&id" not in text


TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.dictionaries(st.sampled_from(["all", "hosts", "children", "vars", "gpu01", "g"]), inner, max_size=4)
        | st.lists(inner, max_size=2)
    ),
    max_leaves=15,
)


@given(existing=st.dictionaries(st.sampled_from(["all", "hosts", "groups", "g"]), TREES, max_size=3))
def test_any_tree_takes_facts(existing: dict[str, Any]) -> None:
    assert "cores: 8" in to_yaml({"gpu01": FACTS}, existing)


@pytest.mark.parametrize("shape", [{"all": None}, {"all": {"hosts": "gpu02"}}, {"all": {"hosts": None}}])
def test_short_forms_grow(shape: dict[str, Any]) -> None:
    assert merged({"gpu01": FACTS}, shape)["all"]["hosts"]["gpu01"] == NEW
