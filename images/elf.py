"""Reads and writes the dynamic part of 64-bit little-endian ELF shared objects, with no compiler and no binutils.

Only what a stand-in library needs: who needs which library, under which symbol version, and a library that answers to
those names.
Structures are those of the System V ABI and, for symbol versions, of the Linux Standard Base.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MACHINE_X86_64: Final = 62
MACHINE_AARCH64: Final = 183
# "return 100": cudaErrorNoDevice, CUDA_ERROR_NO_DEVICE, and non-zero for every other library.
RETURN_100: Final[Mapping[int, bytes]] = {
    MACHINE_X86_64: bytes.fromhex("b864000000c3"),
    MACHINE_AARCH64: struct.pack("<II", 0x52800C80, 0xD65F03C0),
}

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM: Final = struct.Struct("<IIQQQQQQ")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_DYNAMIC: Final = struct.Struct("<qQ")
_VERNEED: Final = struct.Struct("<HHIII")
_VERNAUX: Final = struct.Struct("<IHHII")
_VERDEF: Final = struct.Struct("<HHHHIII")
_VERDAUX: Final = struct.Struct("<II")
_MAGIC: Final = b"\x7fELF\x02\x01\x01"
_PAGE_BYTES: Final = 0x10000  # the largest page that either machine uses

_SHT_DYNAMIC, _SHT_DYNSYM, _SHT_VERNEED, _SHT_VERSYM = 6, 11, 0x6FFFFFFE, 0x6FFFFFFF
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT, _DT_SONAME = 1, 4, 5, 6, 10, 11, 14
_DT_VERSYM, _DT_VERDEF, _DT_VERDEFNUM = 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_STACK = 1, 2, 0x6474E551
_STB_GLOBAL: Final = 1
_STT_FUNC: Final = 2
_TYPE_SHARED_OBJECT: Final = 3
_READ_EXECUTE, _READ_WRITE = 5, 6
_VERSION_HIDDEN: Final = 0x8000
_FIRST_OWN_VERSION: Final = 2  # 0 is local, 1 is unversioned


class ElfError(ValueError):
    """A file is not a 64-bit little-endian ELF shared object; the text names it."""


@dataclass(frozen=True)
class Symbol:
    """A name that an object wants from `library` under `version`; both are empty where the file doesn't say."""

    name: str
    version: str = ""
    library: str = ""


@dataclass(frozen=True)
class SharedObject:
    """What the dynamic linker reads of one shared object; weak symbols are left out, as nobody has to define those."""

    machine: int
    needed: tuple[str, ...]
    needed_versions: Mapping[str, tuple[str, ...]]
    undefined: tuple[Symbol, ...]
    defined: frozenset[str]


@dataclass(frozen=True)
class _Section:
    kind: int
    start: int
    size_bytes: int
    link: int
    count: int


def _text(raw: bytes, offset: int) -> str:
    return raw[offset : raw.index(b"\0", offset)].decode()


def _sections(raw: bytes, header: tuple[int, ...]) -> list[_Section]:
    start, size_bytes, count = header[6], header[11], header[12]
    rows = (_SECTION.unpack_from(raw, start + size_bytes * row) for row in range(count))
    return [_Section(kind=row[1], start=row[4], size_bytes=row[5], link=row[6], count=row[7]) for row in rows]


def _version_needs(raw: bytes, section: _Section, strings: int) -> Iterator[tuple[int, str, str]]:
    """Yield (index used by the version table, library, version)."""
    need = section.start
    for _ in range(section.count):
        _, count, library, first, following = _VERNEED.unpack_from(raw, need)
        entry = need + first
        for _ in range(count):
            _, _, index, name, step = _VERNAUX.unpack_from(raw, entry)
            yield index & ~_VERSION_HIDDEN, _text(raw, strings + library), _text(raw, strings + name)
            entry += step
        need += following


def read(path: Path) -> SharedObject:
    """Read the dynamic part of one shared object.

    Raises:
        ElfError: it is no 64-bit little-endian ELF file with a dynamic section.
    """
    raw = path.read_bytes()
    if not raw.startswith(_MAGIC):
        msg = f"{path}: not a 64-bit little-endian ELF file ({raw[:7].hex()})."
        raise ElfError(msg)
    header = _HEADER.unpack_from(raw)
    sections = _sections(raw, header)
    by_kind = {section.kind: section for section in sections}
    if _SHT_DYNAMIC not in by_kind or _SHT_DYNSYM not in by_kind:
        msg = f"{path}: has no dynamic section."
        raise ElfError(msg)
    dynamic, symbols = by_kind[_SHT_DYNAMIC], by_kind[_SHT_DYNSYM]
    strings = sections[symbols.link].start
    entries = _DYNAMIC.iter_unpack(raw[dynamic.start : dynamic.start + dynamic.size_bytes])
    needed = tuple(_text(raw, strings + value) for tag, value in entries if tag == _DT_NEEDED)
    needs = list(_version_needs(raw, by_kind[_SHT_VERNEED], strings)) if _SHT_VERNEED in by_kind else []
    undefined, defined = _split_symbols(raw, symbols, by_kind.get(_SHT_VERSYM), strings, needs)
    versions: dict[str, tuple[str, ...]] = {}
    for _, library, version in needs:
        versions[library] = (*versions.get(library, ()), version)
    return SharedObject(header[2], needed, versions, tuple(undefined), frozenset(defined))


def _split_symbols(
    raw: bytes, table: _Section, versions: _Section | None, strings: int, needs: list[tuple[int, str, str]]
) -> tuple[list[Symbol], set[str]]:
    wanted_from = {index: (version, library) for index, library, version in needs}
    undefined: list[Symbol] = []
    defined: set[str] = set()
    rows = _SYMBOL.iter_unpack(raw[table.start : table.start + table.size_bytes])
    for row, (name, bits, _, section, _, _) in enumerate(rows):
        if section:
            defined.add(_text(raw, strings + name))
        elif bits >> 4 == _STB_GLOBAL:
            index = struct.unpack_from("<H", raw, versions.start + 2 * row)[0] if versions else 1
            version, library = wanted_from.get(index & ~_VERSION_HIDDEN, ("", ""))
            undefined.append(Symbol(_text(raw, strings + name), version, library))
    return undefined, defined


def _hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


class _Strings:
    """A string table under construction; `at` gives the offset of a name, adding it when it is new."""

    def __init__(self) -> None:
        self.raw = bytearray(1)
        self._offsets: dict[str, int] = {"": 0}

    def at(self, name: str) -> int:
        if name not in self._offsets:
            self._offsets[name] = len(self.raw)
            self.raw += name.encode() + b"\0"
        return self._offsets[name]


def _hash_table(names: list[str]) -> bytes:
    buckets = [0] * max(1, len(names))
    chains = [0] * (len(names) + 1)
    for row, name in enumerate(names, start=1):
        bucket = _hash(name) % len(buckets)
        chains[row] = buckets[bucket]
        buckets[bucket] = row
    return struct.pack(f"<{2 + len(buckets) + len(chains)}I", len(buckets), len(chains), *buckets, *chains)


def _version_definitions(soname: str, versions: tuple[str, ...], strings: _Strings) -> bytes:
    step = _VERDEF.size + _VERDAUX.size
    rows = bytearray()
    for index, name in enumerate((soname, *versions), start=1):
        following = step if index <= len(versions) else 0
        rows += _VERDEF.pack(1, int(index == 1), index, 1, _hash(name), _VERDEF.size, following)
        rows += _VERDAUX.pack(strings.at(name), 0)
    return bytes(rows)


def stand_in(
    soname: str, symbols: tuple[Symbol, ...], versions: tuple[str, ...], machine: int = MACHINE_X86_64
) -> bytes:
    """Make a shared object that answers to `soname` and defines every symbol as a function that returns 100.

    `versions` are the symbol versions it defines; a symbol's own version must be one of them or empty.
    """
    strings = _Strings()
    definitions = _version_definitions(soname, versions, strings)
    version_of = {"": 1} | {name: row for row, name in enumerate(versions, start=_FIRST_OWN_VERSION)}
    soname_at = strings.at(soname)
    name_offsets = [strings.at(symbol.name) for symbol in symbols]
    version_table = struct.pack(f"<{len(symbols) + 1}H", 0, *(version_of[symbol.version] for symbol in symbols))
    code = RETURN_100[machine]
    code_at = _HEADER.size + 4 * _PROGRAM.size
    symbol_table = _SYMBOL.pack(0, 0, 0, 0, 0, 0) + b"".join(
        _SYMBOL.pack(offset, _STB_GLOBAL << 4 | _STT_FUNC, 0, 1, code_at, len(code)) for offset in name_offsets
    )
    body = bytearray(code)
    at: dict[int, int] = {}
    for tag, part in (
        (_DT_HASH, _hash_table([symbol.name for symbol in symbols])),
        (_DT_SYMTAB, symbol_table),
        (_DT_VERSYM, version_table),
        (_DT_VERDEF, definitions),
        (_DT_STRTAB, bytes(strings.raw)),
    ):
        body += bytes(-(code_at + len(body)) % 8)
        at[tag] = code_at + len(body)
        body += part
    entries = [(_DT_SONAME, soname_at), *at.items(), (_DT_STRSZ, len(strings.raw)), (_DT_SYMENT, _SYMBOL.size)]
    entries += [(_DT_VERDEFNUM, len(versions) + 1), (0, 0)]
    return _assemble(bytes(body), b"".join(_DYNAMIC.pack(*entry) for entry in entries), code_at, machine)


def _assemble(body: bytes, dynamic: bytes, code_at: int, machine: int) -> bytes:
    """Join headers, read-only part and the dynamic section: the dynamic linker writes to that, so it has its own page."""
    body += bytes(-(code_at + len(body)) % 8)
    end = code_at + len(body)
    address = end + _PAGE_BYTES
    segments = (
        (_PT_LOAD, _READ_EXECUTE, 0, 0, 0, end, end, _PAGE_BYTES),
        (_PT_LOAD, _READ_WRITE, end, address, address, len(dynamic), len(dynamic), _PAGE_BYTES),
        (_PT_DYNAMIC, _READ_WRITE, end, address, address, len(dynamic), len(dynamic), 8),
        (_PT_GNU_STACK, _READ_WRITE, 0, 0, 0, 0, 0, 16),
    )
    identity = _MAGIC.ljust(16, b"\0")
    sizes = (_HEADER.size, _PROGRAM.size, len(segments), 0, 0, 0)
    header = _HEADER.pack(identity, _TYPE_SHARED_OBJECT, machine, 1, 0, _HEADER.size, 0, 0, *sizes)
    return header + b"".join(_PROGRAM.pack(*segment) for segment in segments) + body + dynamic
