"""The image of an engine: what fetches for it runs in the same one, so that nothing else has to be pulled."""

from __future__ import annotations

import hashlib
from typing import Final

from images import recipes
from infra.catalogue.versions import PINNED
from infra.config.models import ModelServer
from infra.config.schema import StackConfig

# docs.vllm.ai "Using Docker": one repository per device; CPU tags always end with the architecture.
VERSION: Final = f"v{PINNED}"
IMAGES: Final = {
    "cuda": f"vllm/vllm-openai:{VERSION}",
    "rocm": f"vllm/vllm-openai-rocm:{VERSION}",
    "cpu": f"vllm/vllm-openai-cpu:{VERSION}-x86_64",
}
_SERVICE: Final = "vllm"
# Of the official images these two have vLLM's examples in their working directory (vllm docker/Dockerfile, Dockerfile.cpu).
_WITH_EXAMPLES: Final = ("vllm/vllm-openai", "vllm/vllm-openai-cpu")
EXAMPLES: Final = "/vllm-workspace/examples"
_KEY_DIGITS: Final = 12


def image_for(model: ModelServer, config: StackConfig) -> str:
    """Return the engine's image: only CPU engines can be built from packages."""
    own = config.images.get(_SERVICE)
    if own is not None:
        return own
    if config.image_source == "built" and model.device == "cpu":
        return recipes.reference(recipes.SERVICES[_SERVICE])
    return IMAGES[model.device]


def has_examples(image: str) -> bool:
    """Whether vLLM's example chat templates are in the image, as far as its name tells."""
    name = image.partition("@")[0]
    # A colon before the last slash is a registry's port.
    repository = name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]
    return repository.endswith(_WITH_EXAMPLES)


def cache_key(image: str) -> str:
    """Return a short name of exactly this build: compiled code of another one must never be read."""
    digest = image.partition("@sha256:")[2]
    return (digest or hashlib.sha256(image.encode()).hexdigest())[:_KEY_DIGITS]
