from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.config.inventory import Inventory
from infra.config.load import validated
from infra.errors import Finding, Severity
from infra.inventory import flatten, read_inventory
from infra.inventory.patterns import PatternError, expand

CASES = Path(__file__).parent / "cases"


def read(tmp_path: Path, text: str, name: str = "hosts.yaml") -> tuple[dict[str, Any], list[Finding]]:
    file = tmp_path / name
    file.write_text(text)
    inventory, found = read_inventory(file)
    # The folder of a test has a long name that says nothing.
    short = [Finding(one.path.replace(f"{tmp_path}/", ""), one.problem, one.fix, one.severity) for one in found]
    return dict(inventory), short


def errors(found: list[Finding]) -> list[str]:
    return [str(finding) for finding in found if finding.severity is Severity.ERROR]


def test_hosts_of_ansible_become_hosts_of_hearth(tmp_path: Path) -> None:
    inventory, found = read(
        tmp_path,
        """
        all:
          vars: {ansible_user: ops, ansible_ssh_private_key_file: ~/.ssh/gpu, ansible_become: true, rack: 7}
          children:
            gpu_nodes:
              vars: {gpus: [{id: GPU-1, model: H100}], memory: 256GiB}
              hosts:
                gpu[01:02]: {ansible_port: "2222", ansible_ssh_common_args: "-o 'ProxyJump bastion'"}
                gpu03: {ansible_host: 10.0.0.13, ansible_user: root, gpus: []}
            edge:
              hosts: {here: {ansible_connection: local, ansible_host: 10.0.0.1}, six: {ansible_host: "2001:db8::1"}}
        """,
    )
    assert found == []
    key = ["-i", "~/.ssh/gpu"]
    h100 = {"gpus": [{"id": "GPU-1", "model": "H100"}], "memory": "256GiB"}
    jump = {"ssh_options": [*key, "-o", "ProxyJump bastion"]}
    assert inventory["hosts"] == {
        "gpu01": {"connection": "ssh://ops@gpu01:2222", "address": "gpu01", **h100, **jump},
        "gpu02": {"connection": "ssh://ops@gpu02:2222", "address": "gpu02", **h100, **jump},
        "gpu03": {
            "connection": "ssh://root@10.0.0.13",
            "address": "10.0.0.13",
            "gpus": [],
            "memory": "256GiB",
            "ssh_options": key,
        },
        "here": {"connection": "local", "address": "10.0.0.1"},
        "six": {"connection": "ssh://ops@[2001:db8::1]", "address": "2001:db8::1", "ssh_options": key},
    }
    assert inventory["groups"] == {
        "all": {"hosts": ["gpu01", "gpu02", "gpu03", "here", "six"]},
        "edge": {"hosts": ["here", "six"]},
        "gpu_nodes": {"hosts": ["gpu01", "gpu02", "gpu03"]},
    }
    checked, wrong = validated(Inventory, inventory, "hearth:inventory")
    assert wrong == []
    assert checked is not None
    assert checked.members("gpu_nodes") == ("gpu01", "gpu02", "gpu03")


def test_hearths_own_words_beat_those_of_ansible(tmp_path: Path) -> None:
    text = "all: {hosts: {a: {connection: 'unix:///run/d.sock', address: 10.9.9.9, ansible_host: 10.0.0.1}}}"
    assert read(tmp_path, text)[0]["hosts"] == {"a": {"connection": "unix:///run/d.sock", "address": "10.9.9.9"}}


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_every_case_is_read_without_a_traceback_and_passes_on_only_known_fields(case: str) -> None:
    folder = CASES / case
    path = next(path for path in [folder / "inventory", *sorted(folder.glob("hosts*"))] if path.exists())
    inventory, _ = read_inventory(path)
    _, wrong = validated(Inventory, inventory, "hearth:inventory")
    assert [finding for finding in wrong if "is unknown" in finding.problem] == []


def test_all_mistakes_come_at_once_with_the_place_where_they_were_written(tmp_path: Path) -> None:
    _, found = read(
        tmp_path,
        """
        gpu:
          hosts:
            GPU_01: {}
            "n[1:3": {}
            "m[9:1]": {}
            ok: {ansible_port: ssh, ansible_host: "{{ lookup('x') }}", gpus: !vault x, memroy: 1GiB, ansible_pass: !vault y}
            other.example.com: {ansible_connection: docker}
          children: {gpu: , inner: {children: {gpu: }}}
          host: {x: }
        12: {}
        bad: [1]
        """,
    )
    assert [str(finding) for finding in found if finding.severity is Severity.NOTICE] == [
        "hosts.yaml: gpu.hosts.ok.ansible_pass: is encrypted; Hearth doesn't need it. Nothing is to be done."
    ]
    assert [str(finding) for finding in found if finding.severity is Severity.WARNING] == [
        "hosts.yaml: gpu.host: is unknown in a group. Did you mean hosts.",
        (
            "hosts.yaml: gpu.hosts.ok.memroy: 'memroy' is not read, and looks like 'memory'. "
            "Rename it to memory if it describes the host's memory."
        ),
    ]
    assert errors(found) == [
        "hosts.yaml: gpu.hosts.n[1:3: 'n[1:3' has a range that doesn't end. Write it as in gpu[01:16] or gpu[1:9:2].",
        "hosts.yaml: gpu.hosts.m[9:1]: [9:1] is empty: it ends before it begins. Write the smaller end first.",
        (
            "hosts.yaml: gpu.children.gpu: makes 'gpu' a child of 'gpu', which is below it: a circle. "
            "Remove 'gpu' from the children of 'gpu'."
        ),
        (
            "hosts.yaml: gpu.children.inner.children.gpu: makes 'gpu' a child of 'inner', which is below it: a circle. "
            "Remove 'gpu' from the children of 'inner'."
        ),
        "hosts.yaml: 12: 12 is no name of a group. Write it in quotes.",
        "hosts.yaml: bad: is a list, where keys with values belong. Write `name:` for each, also where nothing follows.",
        (
            "hosts.yaml: gpu.hosts.GPU_01: 'GPU_01' can't name a host in Hearth (a-z, 0-9 and -, at most 40). "
            "Name it gpu-01 and add ansible_host: GPU_01."
        ),
        (
            "hosts.yaml: gpu.hosts.ok.ansible_host: is a template ({{ lookup('x') }}), which only Ansible can fill in. "
            "Write the value itself."
        ),
        "hosts.yaml: gpu.hosts.ok.gpus: is encrypted with ansible-vault, and Hearth needs it. Write it in plain text.",
        "hosts.yaml: gpu.hosts.ok.ansible_port: 'ssh' is no port. Write a number from 1 to 65535.",
        (
            "hosts.yaml: gpu.hosts.other.example.com: 'other.example.com' can't name a host in Hearth (a-z, 0-9 and -, at "
            "most 40). Name it other and add ansible_host: other.example.com."
        ),
    ]


def test_a_range_of_names_that_do_not_fit_is_one_finding(tmp_path: Path) -> None:
    _, found = read(tmp_path, "gpu: {hosts: {'gpu_[01:16]': }}")
    assert errors(found) == [
        (
            "hosts.yaml: gpu.hosts.gpu_[01:16]: 'gpu_[01:16]' can't name a host in Hearth (a-z, 0-9 and -, at most 40). "
            "Give its hosts names like gpu-1, and each its address as ansible_host."
        )
    ]


def test_a_way_that_hearth_cannot_take_is_a_finding(tmp_path: Path) -> None:
    _, found = read(tmp_path, "all: {hosts: {a: {ansible_connection: community.docker.docker}}}")
    assert "hosts.yaml: all.hosts.a.ansible_connection: 'community.docker.docker' is no way" in errors(found)[0]


def test_what_stands_in_an_ini_file_is_named_by_its_line(tmp_path: Path) -> None:
    _, found = read(
        tmp_path,
        "[gpu]\ngpu01 ansible_port = 22\ngpu02 'open\n\n[gpu:varz]\nx=1\n[nowhere:vars]\ny=1\n[gpu:children]\na b\n"
        "missing\n[gpu:vars]\nno equals\nansible_group_priority=high\n[bad section]\nz\n",
        "hosts.ini",
    )
    assert [finding.path for finding in found] == [
        "hosts.ini: line 2",
        "hosts.ini: line 2",
        "hosts.ini: line 2",
        "hosts.ini: line 3",
        "hosts.ini: line 5",
        "hosts.ini: line 10",
        "hosts.ini: line 13",
        "hosts.ini: line 14: ansible_group_priority",
        "hosts.ini: line 15",
        "hosts.ini: line 7",
        "hosts.ini: line 11",
    ]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("hosts.yaml", "", "is empty"),
        ("hosts.yaml", "- a", "has no groups at the top"),
        ("hosts.yaml", "a: [", "can't be read"),
        ("hosts.yaml", "a: 2024-13-45", "can't be read"),
        ("hosts.yaml", "&a {x: *a}", "a value holds itself"),
        ("hosts.yaml", "plugin: amazon.aws.aws_ec2", "names a plugin"),
        ("hosts.json", '{"_meta": {"hostvars": {}}}', "is what a program prints"),
        ("hosts.yaml", "all: {hosts: {}}", "has no hosts"),
        ("hosts", "#!/bin/sh\necho {}", "is a program"),
        ("hosts.toml", "[all]", "is TOML"),
        ("hosts.ini", "$ANSIBLE_VAULT;1.1;AES256\n00", "is encrypted"),
        ("hosts.yaml", "a: " + "[" * 3000, "is nested too deeply"),
        ("hosts.json", "[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_file_that_is_no_inventory_says_why(tmp_path: Path, name: str, text: str, problem: str) -> None:
    _, found = read(tmp_path, text, name)
    assert any(problem in text for text in errors(found)), found


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path: Path) -> None:
    assert "can't be read: No such file" in str(read_inventory(tmp_path / "no")[1][0])
    (tmp_path / "hosts.ini").write_bytes(b"\xff\xfe\x00")
    assert "is no UTF-8 text (byte 0)" in str(read_inventory(tmp_path / "hosts.ini")[1][0])


def test_an_encrypted_file_of_variables_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3030\n")
    _, found = read(tmp_path, "all: {hosts: {a: }}")
    assert [finding.severity for finding in found] == [Severity.WARNING]
    assert found[0].path == "group_vars/all.yml"


@pytest.mark.parametrize("name", ["../secret", "x/../../secret", "..", "/etc/passwd"])
def test_a_name_never_leads_out_of_the_folder_of_variables(tmp_path: Path, name: str) -> None:
    (tmp_path / "group_vars" / "x").mkdir(parents=True)
    (tmp_path / "secret.yml").write_text("cores: 5\n")
    inventory, _ = read(tmp_path, f"all: {{hosts: {{ok: }}, children: {{'{name}': {{hosts: {{ok: }}}}}}}}")
    assert "cores" not in inventory["hosts"]["ok"]


@pytest.mark.parametrize(
    ("pattern", "names", "port"),
    [
        ("gpu[01:03]", ["gpu01", "gpu02", "gpu03"], None),
        ("gpu[1:10:4]", ["gpu1", "gpu5", "gpu9"], None),
        ("[a:c]", ["a", "b", "c"], None),
        ("[a:e:2]x:22", ["ax", "cx", "ex"], 22),
        ("a[:1]b[y:z]", ["a0by", "a0bz", "a1by", "a1bz"], None),
        ("[2001:db8::1]:2222", ["2001:db8::1"], 2222),
        ("2001:db8::1", ["2001:db8::1"], None),
        ("host:022", ["host"], 22),
    ],
)
def test_patterns(pattern: str, names: list[str], port: int | None) -> None:
    assert expand(pattern) == (names, port)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "x:",
        "x:0",
        "x:99999",
        "a[1:2",
        "a[1]",
        "a[1:2:3:4]",
        "a[01:100]",
        "a[1:b]",
        "a[1:2:0]",
        "a[1:]",
        "a[1:99999]",
        "a[0:99][0:99][0:99]",
        f"a[1:{'9' * 6000}]",
        "a[-1:3]",
        "a[aa:bb]",
        "a[1:2:x]",
    ],
)
def test_patterns_that_name_no_hosts(pattern: str) -> None:
    with pytest.raises(PatternError, match="; "):
        expand(pattern)


def test_an_inline_inventory_in_ansibles_shape() -> None:
    inventory, found = flatten({"gpu": {"vars": {"cores": 4}, "hosts": {"g[1:2]": None}}}, "hearth:inventory")
    assert found == []
    assert inventory["hosts"]["g2"] == {"connection": "ssh://g2", "address": "g2", "cores": 4}


def test_inline_a_typo_is_an_error() -> None:
    _, found = flatten({"gpu": {"hosts": {"g": {"memroy": "1GiB"}}, "varz": {}}}, "hearth:inventory")
    assert errors(found) == [
        "hearth:inventory.gpu.varz: is unknown in a group. Did you mean vars.",
        "hearth:inventory.gpu.hosts.g.memroy: is unknown. Did you mean memory.",
    ]


OWN = {
    "hosts": {"here": {}, "far": {"connection": "ssh://far", "cores": 8}, "near": {"ansible_host": "10.0.0.1"}},
    "groups": {"g": {"hosts": ["far", "nobody"], "vars": {"memory": "1GiB", "cores": 2}}, "top": {"children": ["g"]}},
}


def test_hearths_own_shape_inherits_and_keeps_what_is_unknown_for_the_check_of_the_whole() -> None:
    inventory, found = flatten(OWN, "hearth:inventory")
    assert found == []
    assert inventory == {
        "hosts": {
            "far": {"connection": "ssh://far", "cores": 8, "memory": "1GiB"},
            "here": {},
            "near": {"connection": "ssh://10.0.0.1", "address": "10.0.0.1"},
        },
        "groups": {"g": {"hosts": ["far", "nobody"]}, "top": {"children": ["g"]}},
    }


def test_flattening_twice_changes_nothing() -> None:
    trees: list[dict[str, Any]] = [
        OWN,
        {"groups": {"g": {"hosts": ["local"]}}},
        {"all": {"hosts": {"a": {"gpus": []}}}},
    ]
    for tree in trees:
        once, _ = flatten(tree, "hearth:inventory")
        assert flatten(once, "hearth:inventory") == (once, [])


def test_without_hosts_the_default_of_this_machine_stays() -> None:
    assert flatten({}, "hearth:inventory") == ({"groups": {}}, [])


WORDS = st.sampled_from(
    ["all", "hosts", "children", "vars", "gpu", "gpu[01:03]", "a", "ansible_host", "ansible_port", "gpus", "memory"]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.dates(), WORDS)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.one_of(WORDS, LEAVES), inner, max_size=4),
    max_leaves=25,
)
LINES = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.lists(
            st.sampled_from(
                ["[", "]", "gpu", ":vars", ":children", "a=1", " ", "'", '"', "=", "#", "[1:3]", "\\", "{{", ":22"]
            ),
            max_size=8,
        ).map("".join),
    ),
    max_size=8,
).map("\n".join)
NAMES = st.sampled_from(["hosts.yaml", "hosts.json", "hosts.ini", "hosts", "group_vars/all.yml"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(text=LINES | st.text(), name=NAMES)
def test_no_text_makes_it_raise(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "group_vars").mkdir(exist_ok=True)
    for old in tmp_path.glob("hosts*"):
        old.unlink()
    (tmp_path / "group_vars" / "all.yml").unlink(missing_ok=True)
    (tmp_path / "hosts.yaml").write_text("all: {hosts: {a: }}")
    (tmp_path / name).write_bytes(text.encode(errors="replace"))
    for path in (tmp_path / name, tmp_path):
        for finding in read_inventory(path)[1]:
            assert finding.path
            assert finding.problem
            assert finding.fix


@settings(deadline=None, max_examples=300)
@given(tree=st.dictionaries(st.one_of(WORDS, LEAVES), TREES, max_size=4))
def test_no_tree_makes_flatten_raise_and_what_it_gives_flattens_to_itself(tree: dict[Any, Any]) -> None:
    inventory, _ = flatten(tree, "hearth:inventory")
    again, _ = flatten(inventory, "hearth:inventory")
    assert repr(again) == repr(inventory)
