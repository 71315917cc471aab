from __future__ import annotations

from pathlib import Path

import pytest

from images import cuda_standins, elf

S = elf.Symbol


def object_(
    needed: tuple[str, ...] = (), undefined: tuple[S, ...] = (), defined: tuple[str, ...] = ()
) -> elf.SharedObject:
    versions = {symbol.library: (symbol.version,) for symbol in undefined if symbol.version}
    return elf.SharedObject(elf.MACHINE_X86_64, needed, versions, undefined, frozenset(defined))


def test_libraries_that_are_there_or_belong_to_the_system_get_no_stand_in() -> None:
    objects = {
        "libtorch.so": object_(("libc10.so", "libc.so.6", "libstdc++.so.6", "ld-linux-x86-64.so.2", "libcudart.so.13")),
        "libc10.so": object_(),
    }
    assert set(cuda_standins.plan(objects)) == {"libcudart.so.13"}


def test_a_versioned_symbol_goes_to_its_library_alone() -> None:
    wanted = S("cudaMalloc", "libcudart.so.13", "libcudart.so.13")
    plan = cuda_standins.plan({"libtorch.so": object_(("libcudart.so.13", "libcublas.so.13"), (wanted,))})
    assert plan["libcudart.so.13"] == ((S("cudaMalloc", "libcudart.so.13"),), ("libcudart.so.13",))
    assert plan["libcublas.so.13"] == ((), ())


def test_a_symbol_without_a_version_is_defined_by_every_stand_in() -> None:
    plan = cuda_standins.plan({"libtorch.so": object_(("libnccl.so.2", "libcufft.so.12"), (S("ncclSend"),))})
    assert all(symbols == (S("ncclSend"),) for symbols, _ in plan.values())


@pytest.mark.parametrize("name", ["PyObject_Call", "cudaOurs", "GOMP_parallel", "_ZN5torch4initEv"])
def test_what_others_define_is_left_to_them(name: str) -> None:
    objects = {
        "libtorch.so": object_(("libnccl.so.2",), (S(name),)),
        "libours.so": object_(defined=("cudaOurs",)),
    }
    assert cuda_standins.plan(objects) == {"libnccl.so.2": ((), ())}


def test_a_version_that_no_symbol_uses_is_still_defined() -> None:
    needs = elf.SharedObject(elf.MACHINE_X86_64, ("libnvrtc.so.13",), {"libnvrtc.so.13": ("V1",)}, (), frozenset())
    assert cuda_standins.plan({"libtorch.so": needs}) == {"libnvrtc.so.13": ((), ("V1",))}


def test_a_folder_without_libraries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no shared objects"):
        cuda_standins.write(tmp_path)
