"""A processor for seccomp programs, as the kernel's: what a filter says of a call."""

import struct

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000


def judge(program: bytes, number: int, *arguments: int, arch: int) -> int:
    """Return the verdict for one call."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *(list(arguments) + [0] * 6)[:6])
    taken, at = 0, 0
    for _ in range(5000):
        code, yes, no, value = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        match code:
            case 0x20:
                taken = struct.unpack_from("<I", data, value)[0]
            case 0x54:
                taken &= value
            case 0x05:
                at += value
            case 0x06:
                return value
            case 0x15:
                at += yes if taken == value else no
            case 0x25:
                at += yes if taken > value else no
            case 0x35:
                at += yes if taken >= value else no
            case 0x45:
                at += yes if taken & value else no
            case _:
                raise AssertionError(f"code {code:#x}")
    raise AssertionError("the program does not end")
