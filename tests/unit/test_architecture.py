"""The direction of dependencies, read from the imports themselves."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What each room may import of this project, besides itself. The order is the pipeline's.
MAY_IMPORT = {
    "infra.errors": set(),
    "infra.interval": set(),
    "infra.config": {"infra.errors"},
    "infra.catalogue": {"infra.errors", "infra.interval"},
    "infra.memory": {"infra.errors", "infra.interval", "infra.catalogue"},
    "infra.plan": {"infra.errors", "infra.interval", "infra.config", "infra.catalogue", "infra.memory"},
    "infra.inventory": {"infra.errors", "infra.config"},
    "infra.ssh": set(),
    "infra.facts": {"infra.errors", "infra.config", "infra.inventory", "infra.ssh"},
    "infra.services": {
        "infra.errors",
        "infra.interval",
        "infra.config",
        "infra.catalogue",
        "infra.plan",
        "images.recipes",
        "monitoring",
    },
    "infra.targets": {
        "infra.errors",
        "infra.config",
        "infra.plan",
        "infra.services.base",
        "infra.services.files",
        "infra.ssh",
    },
    "infra.pipeline": {
        "infra.errors",
        "infra.catalogue",
        "infra.config",
        "infra.inventory",
        "infra.plan",
        "infra.services",
        "infra.targets",
    },
    "infra.preflight": {"infra.errors", "infra.pipeline", "infra.services.base"},
    "infra.schema": {"infra.config", "infra.services"},
    "infra.stack": {
        "infra.errors",
        "infra.config",
        "infra.doctor.cache",
        "infra.plan",
        "infra.pipeline",
        "infra.preflight",
        "infra.targets.base",
    },
    "infra.fit": {"infra.catalogue", "infra.config", "infra.interval", "infra.memory"},
    "infra.upgrade": {
        "infra.errors",
        "infra.interval",
        "infra.catalogue",
        "infra.config",
        "infra.memory",
        "infra.plan",
        "infra.pipeline",
        "infra.services",
        "images.recipes",
    },
    "infra.page": {"infra.errors", "infra.interval", "infra.memory", "infra.plan"},
    "infra.observe": {
        "infra.errors",
        "infra.interval",
        "infra.config",
        "infra.catalogue",
        "infra.memory",
        "infra.facts",
        "infra.plan",
        "infra.pipeline",
        "infra.services.base",
        "infra.services.files",
        "infra.targets.docker.mapping",
    },
    "infra.adopt": {
        "infra.errors",
        "infra.catalogue",
        "infra.config",
        "infra.plan",
        "infra.pipeline",
        "infra.services",
        "infra.targets.docker.connection",
        "infra.targets.docker.declared",
        "infra.targets.docker.mapping",
    },
    "infra.doctor": {
        "infra.errors",
        "infra.interval",
        "infra.config",
        "infra.catalogue",
        "infra.memory",
        "infra.facts",
        "infra.plan",
        "infra.pipeline",
        "infra.services.base",
        "infra.services.engine_image",
        "infra.services.prefetch",
        "infra.services.relay",
        "infra.targets.docker.mapping",
        "images.recipes",
    },
    "infra.cli": {
        "infra.errors",
        "infra.adopt",
        "infra.config",
        "infra.doctor",
        "infra.facts",
        "infra.drift",
        "infra.fit",
        "infra.hosts",
        "infra.observe",
        "infra.page",
        "infra.plan",
        "infra.pipeline",
        "infra.policy",
        "infra.preflight",
        "infra.review",
        "infra.schema",
        "infra.silence",
        "infra.report",
        "infra.upgrade",
        "images.recipes",
    },
    "infra.silence": {
        "infra.config",
        "infra.pipeline",
        "infra.targets.docker.connection",
        "infra.targets.docker.mapping",
        "infra.targets.docker.silence",
    },
    "infra.policy": {
        "infra.errors",
        "infra.config",
        "infra.pipeline",
        "infra.targets.docker.declared",
        "infra.targets.docker.mapping",
    },
    "infra.review": {
        "infra.errors",
        "infra.config",
        "infra.plan",
        "infra.pipeline",
        "infra.policy.check",
        "infra.targets.docker.declared",
        "infra.targets.docker.mapping",
    },
    "policy": {"infra.config", "infra.policy", "infra.targets.docker.declared"},
    "infra.drift": {
        "infra.errors",
        "infra.config",
        "infra.facts.host",
        "infra.pipeline",
        "infra.services.base",
        "infra.targets.docker.connection",
        "infra.targets.docker.declared",
        "infra.targets.docker.mapping",
    },
    "infra.hosts": {
        "infra.errors",
        "infra.config",
        "infra.pipeline",
        "infra.targets.docker.connection",
        "infra.targets.docker.declared",
        "infra.targets.docker.mapping",
    },
    "infra.report": {
        "infra.errors",
        "infra.config",
        "infra.interval",
        "infra.page",
        "infra.pipeline",
        "infra.plan",
        "infra.services.subjects",
        "monitoring",
    },
    "infra.__main__": {"infra.cli"},
    "infra": set(),
    "monitoring": set(),
    "images": set(),
    "bootstrap": {"images"},
    "__main__": {"infra.stack"},
}
SPEAKS_PULUMI = ("__main__", "infra.stack", "infra.targets.", "bootstrap.plugins.", "policy")


def modules() -> dict[str, Path]:
    files = [ROOT / "__main__.py"]
    for folder in ("infra", "monitoring", "images", "bootstrap", "policy"):
        files += sorted(file for file in (ROOT / folder).rglob("*.py") if ".venv" not in file.parts)
    names = {}
    for file in files:
        parts = file.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def imports(name: str, file: Path) -> set[str]:
    found = set()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                start = ".".join([*parents, *([node.module] if node.module else [])])
            found |= {f"{start}.{alias.name}" for alias in node.names}
    return found


def room(name: str) -> str:
    return max((known for known in MAY_IMPORT if name == known or name.startswith(f"{known}.")), key=len)


MODULES = modules()


def test_there_is_something_to_look_at() -> None:
    assert {"__main__", "infra.stack", "infra.services.vllm", "monitoring"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_room_may(name: str) -> None:
    home = room(name)
    allowed = MAY_IMPORT[home] | ({home} if home != "infra" else set())
    wrong = {
        found
        for found in imports(name, MODULES[name])
        if found.split(".")[0] in {"infra", "monitoring", "images", "bootstrap"}
        and not any(found == known or found.startswith(f"{known}.") for known in allowed)
        and found not in {f"infra.{known}" for known in ("targets",) if home == "infra.pipeline"}
    }
    assert not wrong, f"{name} imports {sorted(wrong)}"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_edge_speaks_pulumi(name: str) -> None:
    if not name.startswith(SPEAKS_PULUMI):
        assert not [found for found in imports(name, MODULES[name]) if found.split(".")[0].startswith("pulumi")]


# Packages and scripts that are uploaded into containers: programs of their own, not services.
UPLOADED = "infra.services.assets."
SERVICES = [name for name in MODULES if name.startswith("infra.services.") and not name.startswith(UPLOADED)]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_knows_no_other_service(name: str) -> None:
    own = ("base", "files", "subjects", "assets", "engine_flags", "engine_image", "alerting")
    names = (*own, "every_host", "replicas", "rollout")
    shared = {f"infra.services.{shared}" for shared in names}
    others = {other for other in SERVICES if other not in shared and other != name}
    if name not in shared:
        named = {
            found
            for found in imports(name, MODULES[name])
            if any(found == other or found.startswith(f"{other}.") for other in others)
        }
        assert not named


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("infra", "monitoring"))])
def test_importing_a_module_has_no_effect(name: str) -> None:
    """At module level there are imports, definitions and constants: no loop, no statement that calls for its effect."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    effects = [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.For | ast.While | ast.With | ast.Try)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    ]
    if name not in {"infra.__main__"}:
        assert not effects


def test_files_and_functions_stay_small() -> None:
    """House rule: a file has at most 400 lines, a function at most 50."""
    large = []
    for name, file in MODULES.items():
        text = file.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            large.append(name)
        large += [
            f"{name}.{node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.end_lineno is not None
            and node.end_lineno - node.lineno >= 50
        ]
    assert not large


def test_bootstrap_needs_only_the_standard_library() -> None:
    """It runs before anything is installed."""
    for name, file in MODULES.items():
        if name.startswith("bootstrap") and not name.startswith("bootstrap.plugins"):
            tops = {found.split(".")[0] for found in imports(name, file)}
            assert tops <= {*sys.stdlib_module_names, "bootstrap", "images"}, name


@pytest.mark.parametrize(("package", "more"), [("engine", set()), ("fetcher", {"huggingface_hub", "certifi"})])
def test_what_is_uploaded_needs_only_what_old_images_have(package: str, more: set[str]) -> None:
    """It runs on whatever Python an engine's image has; vLLM's have 3.10 and newer, and the hub's client."""
    home = f"{UPLOADED}{package}"
    for name, file in MODULES.items():
        if name.startswith(home):
            ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))
            tops = {found.split(".")[0] for found in imports(name, file) if not found.startswith(home)}
            assert tops <= {*sys.stdlib_module_names, *more}, name
