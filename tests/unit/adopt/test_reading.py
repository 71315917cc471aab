"""Small things that compose files are full of: variables, command lines, sizes, merges, names of volumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.adopt.command_line import read_command_line
from infra.adopt.compose_file import ComposeError, read_project
from infra.adopt.interpolation import dotenv, substituted, variable_of
from infra.adopt.service import Cards, Port, duration_s, services_of, size_bytes

VARIABLES = {"A": "a", "EMPTY": "", "PORT": "8000"}
NEWEST = (0, 33, 0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$A-${A}", "a-a"),
        ("$$A ${A}", "$A a"),
        ("${NO:-x}${NO-y}${EMPTY:-z}${EMPTY-w}", "xyz"),
        ("${NO:-${A}b}", "ab"),
        ("${A:+set}${NO:+set}${EMPTY+set}", "setset"),
        ("${A:?say so}", "a"),
        ("100$", "100$"),
        ("${NO:-http://h:${PORT}}/v1", "http://h:8000/v1"),
        ("{\"a\": \"$${A}\"}", '{"a": "${A}"}'),
    ],
)  # fmt: skip
def test_variables_are_replaced_as_compose_does(text: str, wanted: str) -> None:
    assert substituted(text, VARIABLES, lambda _: None) == wanted


def test_a_variable_that_nobody_has_set_is_told() -> None:
    missing: list[str] = []
    assert substituted("${NO}$OTHER${A}", VARIABLES, missing.append) == "a"
    assert missing == ["NO", "OTHER"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("${KEY}", "KEY"),
        ("$KEY", "KEY"),
        ("${KEY:?set it}", "KEY"),
        ("${KEY:-no}", "KEY"),
        ("sk-${KEY}", None),
        ("", None),
    ],
)
def test_a_text_that_is_one_variable_names_it(text: str, wanted: str | None) -> None:
    assert variable_of(text) == wanted


def test_env_files_are_read_with_their_quotes_and_comments() -> None:
    text = "# c\nexport A=1\nB='it''s'\nC=\"x\\n\\\"y\\\" $z\" # c\nD=a#b # c\n E = spaced \nBROKEN\nF=\n"
    assert dotenv(text) == {
        "A": "1", "B": "it", "C": 'x\n"y" $z', "D": "a#b", "E": "spaced", "BROKEN": "", "F": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "model", "flags"),
    [
        ("--model org/m --max-model-len 16k", "org/m", {"max-model-len": 16000}),
        ("org/m --max-model-len=16K -tp 2", "org/m", {"max-model-len": 16384, "tensor-parallel-size": 2}),
        ("vllm serve org/m --enforce-eager --swap-space 4", "org/m", {"enforce-eager": True, "swap-space": 4.0}),
        ("python3 -m vllm.entrypoints.openai.api_server --model=org/m", "org/m", {}),
        ("serve org/m --gpu_memory_utilization 0.45", "org/m", {"gpu-memory-utilization": 0.45}),
        ("org/m --served-model-name a b --seed -1", "org/m", {"served-model-name": ("a", "b"), "seed": -1}),
        ("org/m --no-enable-prefix-caching", "org/m", {"no-enable-prefix-caching": True}),
        ("org/m --compilation-config.mode 3", "org/m", {"compilation-config.mode": "3"}),
        ("org/m --what-is-this 7", "org/m", {"what-is-this": "7"}),
        ("--host 0.0.0.0", None, {"host": "0.0.0.0"}),
    ],
)
def test_a_command_line_is_read_back(words: str, model: str | None, flags: dict[str, object]) -> None:
    read = read_command_line(words.split(), NEWEST)
    assert (read.model, read.flags, read.rest) == (model, flags, ())


def test_words_that_belong_to_no_flag_are_kept_apart() -> None:
    assert read_command_line(["org/m", "other", "--enforce-eager", "true"], NEWEST).rest == ("other", "true")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("16gb", 2**34), ("512m", 2**29), ("1g", 2**30), (65536, 65536), ("64M", 2**26), ("much", None), (None, None)],
)
def test_sizes_are_docker_s(text: object, wanted: int | None) -> None:
    assert size_bytes(text) == wanted


def test_durations_are_docker_s() -> None:
    assert (duration_s("1m30s"), duration_s("90s"), duration_s("1.5h"), duration_s(None)) == (90.0, 90.0, 5400.0, None)


def project_of(tmp_path: Path, text: str, **more: str) -> Path:
    for name, content in more.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    return file


def test_ports_in_every_spelling(tmp_path: Path) -> None:
    text = """
services:
  a:
    image: x
    ports: ["80", "8080:80", "127.0.0.1:81:82/udp", "[::1]:83:84", "90-91:92-93", {target: 5, published: "6", host_ip: 10.0.0.1}]
"""
    ports = services_of(read_project([project_of(tmp_path, text)], environment={}))["a"].ports
    assert ports == (
        Port(80, None), Port(80, 8080), Port(82, 81, "127.0.0.1", "udp"), Port(84, 83, "::1"), Port(92, 90), Port(93, 91),
        Port(5, 6, "10.0.0.1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gpus: all", Cards()),
        ("gpus: 2", Cards(count=2)),
        ("gpus: [{device_ids: ['3']}]", Cards(("3",))),
        ("deploy: {resources: {reservations: {devices: [{driver: cdi, device_ids: [x]}]}}}", Cards(("x",))),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [tpu]}, {capabilities: [gpu], count: 1}]}}}", Cards(count=1)),
        ("{runtime: nvidia, environment: [NVIDIA_VISIBLE_DEVICES=GPU-a]}", Cards(("GPU-a",))),
        ("{runtime: nvidia, environment: [NVIDIA_VISIBLE_DEVICES=void]}", None),
        ("devices: [/dev/kfd, /dev/dri]", Cards()),
        ("{}", None),
    ],
)  # fmt: skip
def test_cards_in_every_spelling(tmp_path: Path, text: str, wanted: Cards | None) -> None:
    body = text if text.startswith("{") else f"{{{text}}}"
    file = project_of(tmp_path, f"services: {{a: {body}}}")
    assert services_of(read_project([file], environment={}))["a"].cards == wanted


def test_later_files_go_on_top(tmp_path: Path) -> None:
    text = "services: {a: {image: x, command: [one], environment: [A=1, B=2], ports: ['1:1']}}"
    more = "services: {a: {command: [two], environment: {B: 3}, ports: ['2:2']}}"
    files = [project_of(tmp_path, text, more=more), tmp_path / "more.yaml"]
    service = services_of(read_project(files, environment={}))["a"]
    assert (service.command, service.environment) == (("two",), {"A": "1", "B": "3"})
    assert [port.published for port in service.ports] == [1, 2]


@pytest.mark.parametrize(
    ("volumes", "name", "wanted"),
    [
        ("{data: {}}", "My App", "myapp_data"),
        ("{data: null}", "p", "p_data"),
        ("{data: {name: own}}", "p", "own"),
        ("{data: {external: true}}", "p", "data"),
        ("{data: {external: {name: old}}}", "p", "old"),
    ],
)
def test_volumes_have_the_names_that_the_daemon_has(tmp_path: Path, volumes: str, name: str, wanted: str) -> None:
    file = project_of(tmp_path, f"services: {{a: {{image: x}}}}\nvolumes: {volumes}")
    assert read_project([file], name=name, environment={}).physical("data") == wanted


def test_the_project_is_named_as_compose_names_it(tmp_path: Path) -> None:
    file = project_of(tmp_path, "name: ${STACK:-own}-x\nservices: {a: {image: x}}")
    assert read_project([file], environment={}).name == "own-x"
    assert read_project([file], environment={"COMPOSE_PROJECT_NAME": "shell"}).name == "shell"
    assert read_project([file], name="given", environment={"COMPOSE_PROJECT_NAME": "shell"}).name == "given"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("services: [", "is no YAML"),
        ("- a", "is no map"),
        ("a: 1", "has no map services"),
        ("services: {a: {extends: {service: b}}}", "which it doesn't have"),
        ("include: [gone.yaml]\nservices: {}", "can't be read"),
        ("a: &a [*a]\nservices: {}", "alias"),
    ],
)
def test_what_can_t_be_read_is_one_finding(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ComposeError) as raised:
        read_project([project_of(tmp_path, text)], environment={})
    assert problem in str(raised.value)
