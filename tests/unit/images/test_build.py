from __future__ import annotations

import dataclasses
import fcntl
import threading
from pathlib import Path

import pytest

from images import __main__ as program
from images import build, daemon, recipes
from images.output import BuildError, Interrupted
from tests.unit.images.conftest import FakeTools


@pytest.fixture
def workshop(tools: FakeTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> build.Workshop:
    (authorities := tmp_path / "ca.pem").write_text("AUTHORITIES")
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    return build.Workshop(
        daemon.Daemon(tools.folder / "docker"),
        logs=tmp_path / "logs",
        scratch=tmp_path / "scratch",
        uv=tools.add("uv", "#!/bin/sh\n"),
    )


def built(tools: FakeTools) -> list[str]:
    return tools.state.read_text().split()


def test_the_base_comes_first_and_the_longest_build_next() -> None:
    names = [recipe.name for recipe in build.in_order(["nginx", "vllm-cpu", "open-webui"])]
    assert names == ["base", "vllm-cpu", "open-webui", "nginx"]


def test_everything_is_built_once(workshop: build.Workshop, tools: FakeTools) -> None:
    names = list(recipes.RECIPES)
    made = build.build_all(workshop, names)
    assert set(made) == set(built(tools)) == {recipes.reference(name) for name in names}
    assert built(tools)[0] == recipes.reference("base")
    assert build.build_all(workshop, names) == []
    assert len(built(tools)) == len(names)


def test_the_build_gets_its_inputs_and_leaves_nothing(workshop: build.Workshop, tools: FakeTools) -> None:
    build.build_all(workshop, ["vllm-cpu"])
    calls = tools.calls.read_text()
    assert f"--include={','.join(f'{p}={v}' for p, v in recipes.RECIPES['base'].debian.items())} bookworm" in calls
    assert "BUILDKIT=1 build" in calls
    assert f"--build-arg BASE={recipes.reference('base')}" in calls
    assert {"Dockerfile", "requirements.lock", "images", "uv"} <= set(calls.split())
    assert [path.suffix for path in workshop.scratch.iterdir()] == [".lock", ".lock"]


def test_debian_versions_reach_the_build(workshop: build.Workshop, tools: FakeTools) -> None:
    build.build_all(workshop, ["nginx"])
    assert "--build-arg DEBIAN_PACKAGES=nginx-light=1.22.1-*" in tools.calls.read_text()


def test_no_secret_stands_on_a_command_line(
    workshop: build.Workshop, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.example")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://user:hunter2@mirror.example/simple")
    build.build_all(workshop, ["litellm"])
    calls = tools.calls.read_text()
    assert "hunter2" not in calls
    assert "--build-arg HTTPS_PROXY " in calls
    assert "--secret id=ca,src=" in calls
    assert "--secret id=uv,src=" in calls
    assert not list(workshop.scratch.rglob("uv.toml"))


def test_a_failed_build_leaves_no_tag_and_tells_why(workshop: build.Workshop, tools: FakeTools) -> None:
    tools.broken.write_text("no space left\n")
    with pytest.raises(BuildError, match=r"^nginx: docker failed \(exit 7\)\. See .*nginx\.log(.|\n)*no space left"):
        build.build_all(workshop, ["nginx"])
    assert built(tools) == [recipes.reference("base")]
    tools.broken.unlink()
    again = dataclasses.replace(workshop, stop=threading.Event())
    assert build.build_all(again, ["nginx"]) == [recipes.reference("nginx")]


def test_a_stopped_workshop_builds_nothing(workshop: build.Workshop, tools: FakeTools) -> None:
    workshop.stop.set()
    with pytest.raises(Interrupted):
        build.build_all(workshop, ["nginx"])
    assert built(tools) == []


def test_a_second_run_waits_and_finds_the_image_built(
    workshop: build.Workshop, tools: FakeTools, capfd: pytest.CaptureFixture[str]
) -> None:
    build.build_all(workshop, ["base"])
    with (workshop.scratch / "nginx.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=build.build_all, args=(workshop, ["nginx"]))
        second.start()
        second.join(0.5)
        assert second.is_alive()
        tools.state.write_text(tools.state.read_text() + recipes.reference("nginx") + "\n")
    second.join(5)
    assert not second.is_alive()
    assert "BUILDKIT=1 build" not in tools.calls.read_text()
    assert "[nginx]    0 s  waiting: another run is building it" in capfd.readouterr().err


def test_a_missing_bootstrap_tool_is_told_with_its_package(
    workshop: build.Workshop, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tools.folder / "mmdebstrap").unlink()
    monkeypatch.setenv("PATH", str(tools.folder))
    with pytest.raises(BuildError, match=r"mmdebstrap is missing\. Install it: apt-get install mmdebstrap"):
        build._bootstrap(workshop, recipes.RECIPES["base"], workshop.scratch)


def test_pruning_removes_older_tags_but_none_in_use(workshop: build.Workshop, tools: FakeTools) -> None:
    old, used, other = (
        "hearth/nginx:1.20-aaaaaaaaaaaa",
        "hearth/nginx:1.21-bbbbbbbbbbbb",
        "hearth/litellm:1-cccccccccccc",
    )
    current = recipes.reference("nginx")
    tools.state.write_text("\n".join((old, used, other, current)) + "\n")
    tools.used.write_text(used + "\n")
    assert build.prune(workshop.daemon, ["nginx"]) == ([old], [used])
    assert built(tools) == [used, other, current]


def test_uv_is_taken_where_it_is_named(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tools.add("uv", "#!/bin/sh\n")
    assert build.find_uv(str(named)) == named
    monkeypatch.setenv("HEARTH_UV", str(named))
    assert build.find_uv() == named


def test_a_named_uv_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"uv: not found \(.*nowhere\)"):
        build.find_uv(str(tmp_path / "nowhere"))


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_CACHE", str(tmp_path))
    assert build.cache_folder() == tmp_path
    monkeypatch.setenv("HEARTH_CACHE", "")
    assert build.cache_folder() == build.CHECKOUT / ".hearth/cache"


def test_an_unknown_name_is_one_line_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["build", "grafana"]) == 1
    assert capsys.readouterr().err.startswith("images: no recipe is called 'grafana'. Take one of base,")
