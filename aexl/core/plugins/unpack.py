"""Unpacking a verified wheel into a folder of its plugin, by ``installer``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.exceptions import InstallerError
from installer.sources import WheelContentElement, WheelFile

from aexl.core.plugins.archive import ARCHIVE_ERRORS, wrong
from aexl.core.plugins.integrity import hash_file
from aexl.core.plugins.wheel import Wheel
from aexl.errors import Unavailable

_ASIDE: Final = ".data"
"""Where scripts, headers and data lie: below the folder, out of the way of imports."""


class _Source(WheelFile):
    """A wheel without what a plugin's folder has no use for."""

    @property
    def dist_info_filenames(self) -> list[str]:
        """Hide the entry points, of which only launchers are made: the folder is on nobody's ``PATH``."""
        return [name for name in super().dist_info_filenames if name != "entry_points.txt"]

    def get_contents(self) -> Iterator[WheelContentElement]:
        """Leave out byte code: it is compiled anew from the sources that RECORD vouches for."""
        for element in super().get_contents():
            if "__pycache__" not in element[0][0].split("/"):
                yield element


def unpack(wheel: Wheel, folder: Path) -> None:
    """Unpack a wheel that ``read_wheel`` has found right.

    Raises:
        Invalid: If the file has changed since, or its layout is none.
        Unavailable: If the folder cannot be written.
    """
    schemes = {"purelib": str(folder), "platlib": str(folder)}
    schemes |= {name: str(folder / _ASIDE / name) for name in ("scripts", "headers", "data")}
    destination = SchemeDictionaryDestination(schemes, interpreter=sys.executable, script_kind="posix")
    try:
        with _Source.open(wheel.path) as source:
            install(source, destination, {"INSTALLER": b"aexl\n"})
    except FileExistsError as error:
        raise wrong(wheel.path.name, f"another wheel of this plugin has a file of the same name: {error}") from error
    except OSError as error:
        raise Unavailable(f"{wheel.path.name} cannot be unpacked to {folder}: {error}") from error
    except (InstallerError, *ARCHIVE_ERRORS) as error:
        raise wrong(wheel.path.name, f"it cannot be unpacked: {error}") from error
    if hash_file(wheel.path) != wheel.sha256:
        raise wrong(wheel.path.name, "the file changed while it was read")
