"""Landlock: what a process and its descendants may do with files, beside all other rules."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from typing import Final

from aexl_runtime.sandbox.kernel import system_call

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_MAKE_DEVICES: Final = (1 << 6) | (1 << 11)
_TRUNCATE: Final = 1 << 14
_IOCTL_DEV: Final = 1 << 15

_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files there are, by version of the interface."""
_TCP_SINCE: Final = 4
SCOPES_SINCE: Final = 6
"""Signals and abstract Unix sockets of processes outside are out of reach from this version on."""
TRUNCATE_SINCE: Final = 3
"""Before this version any file that may be written by its owner can be emptied."""
NEWEST: Final = 6
"""The newest version of which anything is used here."""

_ONLY_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_ABSTRACT, _SIGNALS = 1, 2
_CREATE_VERSION: Final = 1
_RULE_PATH: Final = 1


def version() -> int:
    """Return the version of the interface.

    Raises:
        OSError: If the kernel has none, or was started without it.
    """
    return system_call("landlock_create_ruleset", None, 0, _CREATE_VERSION)


def restrict(
    wanted: Sequence[str],
    abi: int,
    *,
    shown: Sequence[str] = (),
    readable: Sequence[str] = (),
    writable: Sequence[str] = (),
    devices: Sequence[str] = (),
) -> None:
    """Confine this process for good; needs ``no_new_privs`` or the right to administer.

    Args:
        wanted: Of ``files``, ``tcp``, ``signals``, ``abstract``.
        abi: The version of the interface; parts it does not know are left out, as the plan knew.
        shown: May be read.
        readable: May be read, and started. A path that does not exist is passed over; so below.
        writable: May be written and made files in, and not started from.
        devices: May be read and written.
    """
    rights = (1 << _FILE_RIGHTS[min(abi, max(_FILE_RIGHTS))]) - 1
    handled = rights if "files" in wanted else 0
    network = 3 if "tcp" in wanted and abi >= _TCP_SINCE else 0
    scopes = 0
    if abi >= SCOPES_SINCE:
        scopes = (_ABSTRACT if "abstract" in wanted else 0) | (_SIGNALS if "signals" in wanted else 0)
    record = struct.pack("<QQQ", handled, network, scopes)
    if abi < SCOPES_SINCE:
        record = record[: 8 if abi < _TCP_SINCE else 16]
    rules = system_call("landlock_create_ruleset", record, len(record), 0)
    try:
        if handled:
            _allow(rules, shown, handled & (_READ_FILE | _READ_DIR))
            _allow(rules, readable, handled & (_EXECUTE | _READ_FILE | _READ_DIR))
            _allow(rules, writable, handled & ~(_EXECUTE | _MAKE_DEVICES | _IOCTL_DEV))
            _allow(rules, devices, handled & (_READ_FILE | _WRITE_FILE | _TRUNCATE))
        system_call("landlock_restrict_self", rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, paths: Sequence[str], rights: int) -> None:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            record = struct.pack("<Qi", rights if folder else rights & _ONLY_FILES, descriptor)
            system_call("landlock_add_rule", rules, _RULE_PATH, record, 0)
        finally:
            os.close(descriptor)
