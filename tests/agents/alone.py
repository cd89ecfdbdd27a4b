"""Runs a command where there is no network but the loopback: `python alone.py COMMAND …`; ends with 77 if that cannot be.

What a CLI tries to reach beside the server that it was given fails there at once, and cannot be forgotten.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

CANNOT: Final = 77

_NEW_USER: Final = 0x10000000
_NEW_NETWORK: Final = 0x40000000
_SET_FLAGS: Final = 0x8914  # SIOCSIFFLAGS
_UP_AND_RUNNING: Final = 0x1 | 0x40


def leave_network() -> None:
    """Move this process into a network namespace of its own, and bring its loopback up.

    Raises:
        OSError: If the system does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_NEW_USER | _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{user} {user} 1")
    (own / "gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))


if __name__ == "__main__":
    try:
        leave_network()
    except OSError as error:
        sys.stderr.write(f"alone: {error}\n")
        sys.exit(CANNOT)
    os.execvp(sys.argv[1], sys.argv[1:])
