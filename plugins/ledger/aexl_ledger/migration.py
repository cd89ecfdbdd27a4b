"""Brings an older ledger to the schema of this version, or refuses a newer one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from aexl.errors import Unavailable
from aexl_ledger.schema import APPLICATION_ID


def migrate(connection: apsw.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Run the migrations that are missing, each in one transaction with its version number.

    A process that dies half way leaves the version before or after a step, and
    the next start goes on from there. Before the first step a ledger that has
    data is copied to ``<path>.v<version>.bak``.

    Raises:
        Unavailable: If the file is another program's, or of a newer version.
    """
    version, owner = int(connection.pragma("user_version")), int(connection.pragma("application_id"))
    if owner not in (0, APPLICATION_ID) or (owner == 0 and version):
        raise Unavailable(f"{path} is not a ledger of aexl: another program made it")
    if version > len(migrations):
        raise Unavailable(
            f"the ledger {path} has version {version} and this aexl knows up to {len(migrations)}: update aexl"
        )
    if 0 < version < len(migrations):
        _back_up(connection, path.with_name(f"{path.name}.v{version}.bak"))
    for step in range(version, len(migrations)):
        with connection:
            connection.execute(migrations[step])
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {step + 1}")


def _back_up(connection: apsw.Connection, target: Path) -> None:
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    unfinished.replace(target)
