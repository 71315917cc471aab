from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from images import recipes

NAMES = sorted(recipes.RECIPES)
PYTHON_IMAGES = [name for name in NAMES if "install-python.sh" in recipes.RECIPES[name].modules]
DOCKER_IMAGES = [name for name in NAMES if recipes.RECIPES[name].base]


def pins(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_is_one_that_docker_takes(name: str) -> None:
    assert re.fullmatch(rf"hearth/{name}:[a-z0-9.]+-[0-9a-f]{{12}}", recipes.reference(name))


def test_another_interpreter_finds_the_same_references() -> None:
    code = "from images import recipes; print(*[recipes.reference(name) for name in sorted(recipes.RECIPES)])"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=recipes.FOLDER.parent, capture_output=True, text=True, check=True).stdout
    assert printed.split() == [recipes.reference(name) for name in NAMES]


def test_the_place_of_the_checkout_does_not_matter(folder: Path) -> None:
    assert [recipes.reference(name, folder) for name in NAMES] == [recipes.reference(name) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_every_input_file_changes_the_reference(name: str, folder: Path) -> None:
    inputs = recipes.input_files(recipes.RECIPES[name], folder)
    assert inputs
    for path in inputs.values():
        before, original = recipes.reference(name, folder), path.read_bytes()
        path.write_bytes(original + b"\n")
        assert recipes.reference(name, folder) != before, path
        path.write_bytes(original)
        assert recipes.reference(name, folder) == before


def test_a_new_file_changes_the_reference(folder: Path) -> None:
    before = recipes.reference("nginx", folder)
    (folder / "nginx" / "extra.conf").write_text("")
    assert recipes.reference("nginx", folder) != before


def test_a_changed_base_changes_what_stands_on_it(folder: Path) -> None:
    before = {name: recipes.reference(name, folder) for name in NAMES}
    (folder / "base" / "mmdebstrap.options").write_text("--variant=essential\n")
    assert all(recipes.reference(name, folder) != before[name] for name in NAMES)


def test_a_changed_program_leaves_the_other_images_alone(folder: Path) -> None:
    before = {name: recipes.reference(name, folder) for name in NAMES}
    (folder / "nginx" / "nginx.conf").write_text("")
    assert [name for name in NAMES if recipes.reference(name, folder) != before[name]] == ["nginx"]


def test_a_changed_debian_version_changes_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipes.reference("nginx")
    changed = recipes.Recipe("nginx", "1.22.1", "", debian={"nginx-light": "1.22.2-*"}, modules=("install-debian.sh",))
    monkeypatch.setattr(recipes, "RECIPES", {**recipes.RECIPES, "nginx": changed})
    assert recipes.reference("nginx") != before


def test_leftovers_of_python_are_no_input(folder: Path) -> None:
    before = recipes.reference("vllm-cpu", folder)
    (folder / "vllm-cpu" / "notes.md").write_text("")
    (folder / "vllm-cpu" / "x.pyc").write_text("")
    assert recipes.reference("vllm-cpu", folder) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_costs_less_than_five_milliseconds(name: str) -> None:
    def measured_s() -> float:
        started = time.perf_counter()
        recipes.reference(name)
        return time.perf_counter() - started

    assert min(measured_s() for _ in range(5)) < 0.005


def test_every_service_has_a_recipe() -> None:
    assert set(recipes.SERVICES.values()) <= set(recipes.RECIPES)
    own = {"prometheus", "alertmanager", "node_exporter", "blackbox_exporter", "nginx_exporter"}
    wanted = {"vllm", "litellm", "open_webui", "nginx", "relay", *own}
    assert set(recipes.SERVICES) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_has_its_folder(name: str) -> None:
    expected = "Dockerfile" if recipes.RECIPES[name].base else "mmdebstrap.options"
    assert (recipes.FOLDER / name / expected).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_debian_packages_name_their_upstream_version(name: str) -> None:
    for package, version in recipes.RECIPES[name].debian.items():
        # Only what follows the upstream version may vary: it carries the security updates.
        assert re.fullmatch(r"[0-9][0-9a-z.+]*(-\*|\.\*|\*)", version), package


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_python_packages_are_pinned_exactly(name: str) -> None:
    wanted = pins(recipes.FOLDER / name / "requirements.in")
    locked = pins(recipes.FOLDER / name / "requirements.lock")
    assert all(re.fullmatch(r"[a-z0-9-]+(\[[a-z,-]+\])?==[0-9][0-9a-z.]*", line) for line in wanted + locked)
    assert {re.sub(r"\[.*\]", "", line) for line in wanted} <= set(locked)


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_the_tag_tells_the_installed_version(name: str) -> None:
    assert f"{name}=={recipes.RECIPES[name].version}" in pins(recipes.FOLDER / name / "requirements.lock")


@pytest.mark.parametrize(("name", "package"), [("monitoring", "prometheus"), ("nginx", "nginx-light")])
def test_the_tag_tells_the_version_of_the_debian_package(name: str, package: str) -> None:
    recipe = recipes.RECIPES[name]
    assert re.match(rf"{re.escape(recipe.version)}[-+]", recipe.debian[package])


@pytest.mark.parametrize("name", DOCKER_IMAGES)
def test_nothing_is_pulled_and_no_entry_point_is_forced(name: str) -> None:
    text = (recipes.FOLDER / name / "Dockerfile").read_text()
    assert re.findall(r"^FROM (.*)$", text, re.M) == ["${BASE}"]
    assert not re.search(r"^(ENTRYPOINT|ADD|# *syntax=)", text, re.M | re.I)


def test_an_unknown_recipe_is_told_with_those_that_exist() -> None:
    with pytest.raises(recipes.UnknownRecipeError, match=r"'vllm'.*vllm-cpu"):
        recipes.reference("vllm")
