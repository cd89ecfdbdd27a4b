"""The snapshots' hooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aexl.api import BlobStore, Command, ConfigSection, Host, Repositories, Service, Snapshots
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer


def _load_commands() -> typer.Typer:
    from aexl_snapshots.cli.root import app

    return app


class SnapshotsPlugin(Plugin):
    """A project's states: content-addressed, signed, pushed and pulled."""

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_snapshots.options import TABLE, SnapshotOptions

        # not for a project's file, which comes with a clone: it names whom to trust, and a variable with a token
        return [ConfigSection(table=TABLE, model=SnapshotOptions)]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        summary = "Keep, compare, send and restore states of a project."
        return [Command(name="snapshot", summary=summary, load=_load_commands)]

    @hookimpl
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:
        from aexl_snapshots.hosting import RepositoryService
        from aexl_snapshots.service import SnapshotService

        return [
            Service(role=Snapshots, instance=SnapshotService(host.data_dir)),
            Service(role=Repositories, instance=RepositoryService(host.data_dir)),
        ]

    @hookimpl
    def aexl_snapshot_stores(self, host: Host) -> Mapping[str, Callable[[str], Awaitable[BlobStore]]]:
        from aexl_snapshots.stores.opening import own_openers

        return own_openers(host)

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None]:
        from aexl_snapshots.maintenance.captures import collecting

        return collecting(host)
