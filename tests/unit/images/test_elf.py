from __future__ import annotations

import ctypes
import platform
import struct
from pathlib import Path

import pytest

from images import elf

MACHINES = {"x86_64": elf.MACHINE_X86_64, "aarch64": elf.MACHINE_AARCH64}
HERE = MACHINES.get(platform.machine())
pytestmark = pytest.mark.skipif(HERE is None, reason=f"the stand-ins know {', '.join(MACHINES)}")

SYMBOLS = (elf.Symbol("cudaGetDeviceCount", "libcudart.so.13"), elf.Symbol("ncclCommInitRank"), elf.Symbol("a"))


def loaded(tmp_path: Path, symbols: tuple[elf.Symbol, ...], versions: tuple[str, ...]) -> ctypes.CDLL:
    assert HERE is not None
    path = tmp_path / "libcudart.so.13"
    path.write_bytes(elf.stand_in(path.name, symbols, versions, HERE))
    return ctypes.CDLL(str(path))


def versioned(library: ctypes.CDLL, name: str, version: str) -> int | None:
    find = ctypes.CDLL(None).dlvsym
    find.argtypes, find.restype = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p), ctypes.c_void_p
    found: int | None = find(library._handle, name.encode(), version.encode())
    return found


def test_the_dynamic_linker_loads_a_stand_in_whose_functions_return_100(tmp_path: Path) -> None:
    library = loaded(tmp_path, SYMBOLS, ("libcudart.so.13",))
    assert [getattr(library, symbol.name)() for symbol in SYMBOLS] == [100, 100, 100]


def test_a_name_that_was_not_asked_for_is_not_defined(tmp_path: Path) -> None:
    assert not hasattr(loaded(tmp_path, SYMBOLS, ("libcudart.so.13",)), "cudaMalloc")


def test_a_symbol_answers_to_its_own_version_only(tmp_path: Path) -> None:
    library = loaded(tmp_path, (elf.Symbol("f", "V2"), elf.Symbol("g", "V1")), ("V1", "V2"))
    assert versioned(library, "f", "V2")
    assert not versioned(library, "f", "V1")
    assert versioned(library, "g", "V1")


def test_a_library_may_be_needed_for_nothing_but_its_name(tmp_path: Path) -> None:
    assert loaded(tmp_path, (), ())


def test_many_symbols_share_hash_buckets(tmp_path: Path) -> None:
    symbols = tuple(elf.Symbol(f"symbol_{number}") for number in range(3000))
    library = loaded(tmp_path, symbols, ())
    assert all(getattr(library, symbol.name)() == 100 for symbol in symbols)


def test_reading_tells_what_an_object_needs() -> None:
    maps = Path("/proc/self/maps").read_text().split()
    libm = next((path for path in maps if "/libm.so" in path or "/libm-" in path), None)
    if libm is None:
        libm = ctypes.CDLL("libm.so.6")._name
        libm = next(
            path for path in Path("/proc/self/maps").read_text().split() if "/libm.so" in path or "/libm-" in path
        )
    found = elf.read(Path(libm))
    assert found.machine == HERE
    assert "libc.so.6" in found.needed
    assert any(version.startswith("GLIBC_") for version in found.needed_versions["libc.so.6"])
    assert "sinf" in found.defined
    assert any(symbol.library == "libc.so.6" and symbol.version.startswith("GLIBC_") for symbol in found.undefined)


def test_reading_something_else_names_the_file(tmp_path: Path) -> None:
    (path := tmp_path / "note.so").write_text("INPUT(libc.so.6)")
    with pytest.raises(elf.ElfError, match=r"note\.so: not a 64-bit"):
        elf.read(path)


def test_reading_an_object_without_symbols_names_the_file(tmp_path: Path) -> None:
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)
    (path := tmp_path / "empty.so").write_bytes(header)
    with pytest.raises(elf.ElfError, match=r"empty\.so: has no dynamic section"):
        elf.read(path)
