"""A small assembler for seccomp programs, which are classic BPF. Pure.

A program is a list of instructions and labels. Jumps only go forward. A conditional jump reaches 255
instructions, so one that must go further jumps over an unconditional one, which reaches everything.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from aexl.errors import Invalid
from aexl_runtime.sandbox.syscalls import Machine

ARCHITECTURE: Final[dict[Machine, int]] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""``AUDIT_ARCH_*``: what the kernel says a system call was made as."""

ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000

NUMBER: Final = 0
"""Offset of the call's number in ``struct seccomp_data``; then the architecture, the pointer, six arguments."""
ARCH: Final = 4

_LIMIT: Final = 4096
"""Instructions; what the kernel takes."""

_LOAD, _RETURN, _JUMP, _AND = 0x20, 0x06, 0x05, 0x54
_TEST: Final = {"equal": 0x15, "above": 0x25, "at_least": 0x35, "any_bit": 0x45}

Test = Literal["equal", "above", "at_least", "any_bit"]


def fail_with(errno: int) -> int:
    """Return the verdict that makes a call fail with ``errno``."""
    return _ERRNO | errno


def low_half(argument: int) -> int:
    """Return the offset of the lower 32 bits of an argument, counted from 0; both machines are little-endian."""
    return 16 + 8 * argument


class Label(NamedTuple):
    """A place to jump to."""

    name: str


class Load(NamedTuple):
    """Take the 32 bits at an offset of the call's record."""

    offset: int


class Mask(NamedTuple):
    """Keep only these bits."""

    bits: int


class Return(NamedTuple):
    """End with a verdict."""

    verdict: int


class Branch(NamedTuple):
    """Compare what was loaded with ``value``; jump if it is so, else go on with the next instruction."""

    test: Test
    value: int
    then: str


class Unless(NamedTuple):
    """Compare what was loaded with ``value``; jump if it is *not* so, else go on."""

    test: Test
    value: int
    then: str


class Jump(NamedTuple):
    """Go to a label, however far."""

    then: str


Part = Label | Load | Mask | Return | Branch | Unless | Jump


def assemble(parts: Sequence[Part]) -> bytes:
    """Return the program as the kernel reads it: eight bytes for each instruction.

    Raises:
        Invalid: If a label is missing, given twice or behind, a conditional jump is too long,
            the program can run over its end, or it is longer than the kernel takes.
    """
    places = _place(parts)
    code = bytearray()
    at = 0
    for part in parts:
        if isinstance(part, Label):
            continue
        at += 1
        code += _encode(part, places, at)
    if not isinstance(parts[-1] if parts else None, Return):
        raise Invalid("a filter program must end with a verdict")
    if at > _LIMIT:
        raise Invalid(f"a filter program of {at} instructions is longer than {_LIMIT}")
    return bytes(code)


def _place(parts: Sequence[Part]) -> dict[str, int]:
    places: dict[str, int] = {}
    at = 0
    for part in parts:
        if not isinstance(part, Label):
            at += 1
        elif part.name in places:
            raise Invalid(f"label {part.name!r} is given twice")
        else:
            places[part.name] = at
    return places


def _encode(part: Load | Mask | Return | Branch | Unless | Jump, places: dict[str, int], following: int) -> bytes:
    match part:
        case Load(offset):
            return _instruction(_LOAD, offset)
        case Mask(bits):
            return _instruction(_AND, bits)
        case Return(verdict):
            return _instruction(_RETURN, verdict)
        case Jump(then):
            return _instruction(_JUMP, _distance(then, places, following, 0xFFFFFFFF))
        case Branch(test, value, then):
            return _instruction(_TEST[test], value, yes=_distance(then, places, following, 255))
        case Unless(test, value, then):
            return _instruction(_TEST[test], value, no=_distance(then, places, following, 255))


def _distance(label: str, places: dict[str, int], following: int, longest: int) -> int:
    if label not in places:
        raise Invalid(f"label {label!r} is missing")
    distance = places[label] - following
    if not 0 <= distance <= longest:
        raise Invalid(f"label {label!r} is {distance} instructions away, which is out of reach")
    return distance


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
