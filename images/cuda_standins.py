"""Makes small stand-ins for the CUDA libraries that PyTorch's wheel links, so that it loads where they are absent.

`python3 -m images.cuda_standins TORCH_LIB_FOLDER` writes them next to PyTorch's own libraries. Every function in them
returns "no device", so `torch.cuda.is_available()` is False. Only for images that compute on CPUs: in an image for GPUs
they would hide the real libraries.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from images import elf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYSTEM_LIBRARY: Final = re.compile(r"^(lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|gomp)\.so|ld-linux)")
CUDA_SYMBOL: Final = re.compile(r"^(_Z.*(cuda|cudnn|nccl|cufft)|_*(cuda|cu|nv|nccl))")


def plan(objects: Mapping[str, elf.SharedObject]) -> dict[str, tuple[tuple[elf.Symbol, ...], tuple[str, ...]]]:
    """Say which stand-ins `objects` (by file name) need: library -> (symbols, symbol versions), sorted.

    An object records a symbol's library only together with a version. A symbol without one is looked up in every
    library loaded, so every stand-in defines it.
    """
    needed = {name for found in objects.values() for name in found.needed}
    missing = {name for name in needed - set(objects) if not SYSTEM_LIBRARY.match(name)}
    defined = frozenset[str]().union(*(found.defined for found in objects.values()))
    versions: dict[str, set[str]] = defaultdict(set)
    owned: dict[str, set[elf.Symbol]] = defaultdict(set)
    loose: set[elf.Symbol] = set()
    for found in objects.values():
        for library, names in found.needed_versions.items():
            versions[library] |= set(names)
        for symbol in found.undefined:
            if symbol.library in missing:
                owned[symbol.library].add(elf.Symbol(symbol.name, symbol.version))
            elif not symbol.version and symbol.name not in defined and CUDA_SYMBOL.match(symbol.name):
                loose.add(elf.Symbol(symbol.name))
    return {library: (_sorted(owned[library] | loose), tuple(sorted(versions[library]))) for library in sorted(missing)}


def _sorted(symbols: Iterable[elf.Symbol]) -> tuple[elf.Symbol, ...]:
    return tuple(sorted(symbols, key=lambda symbol: (symbol.name, symbol.version)))


def write(folder: Path) -> Mapping[str, int]:
    """Write the stand-ins that the libraries in `folder` need into it; returns the number of symbols by library.

    Raises:
        elf.ElfError: a file there is no shared object.
        FileNotFoundError: no shared object is there.
    """
    objects = {path.name: elf.read(path) for path in sorted(folder.glob("*.so*"))}
    if not objects:
        msg = f"{folder}: has no shared objects. Give the lib folder of an installed torch."
        raise FileNotFoundError(msg)
    machine = next(iter(objects.values())).machine
    counts = {}
    for library, (symbols, versions) in plan(objects).items():
        (folder / library).write_bytes(elf.stand_in(library, symbols, versions, machine))
        counts[library] = len(symbols)
    return counts


if __name__ == "__main__":
    for name, count in write(Path(sys.argv[1])).items():
        sys.stdout.write(f"{name}: {count} symbols\n")
