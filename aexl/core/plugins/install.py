"""Installing plugins below ``$AEXL_HOME/plugins``.

A new installation is unpacked into a staging folder, compiled, tried, made durable
and renamed to a folder of its own; replacing the lock file then makes it count. A
process that is killed at any moment leaves the old state or the new one, and at
worst folders that nobody names, which the next change sweeps away.
"""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aexl.core.plugins.folders import STAGING, changing, commit, sweep, sync
from aexl.core.plugins.integrity import check_fully, lock_files
from aexl.core.plugins.lock import Lock, LockedPlugin, LockedPoint, LockedWheel, read_lock
from aexl.core.plugins.planning import check_plan, check_unused, plan_install
from aexl.core.plugins.requirements import Plan, host_distributions
from aexl.core.plugins.trial import compile_folder, try_plugins
from aexl.core.plugins.unpack import unpack
from aexl.core.plugins.wheel import Wheel
from aexl.core.plugins.worker import Order, Point, Verdicts
from aexl.errors import PluginError, Unavailable
from aexl.hookspecs import ENTRY_POINT_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What an installation does in other processes; a test puts in what is quicker."""

    compile: Callable[[Path, Path], None] = compile_folder
    load: Callable[[Order], Verdicts] = try_plugins


@dataclass(slots=True)
class _Stage:
    """One plugin on its way: what its folder will hold, and where it is unpacked."""

    wheel: Wheel
    plan: Plan
    source: str
    identity: str = field(default_factory=lambda: secrets.token_hex(8))

    def staging(self, root: Path) -> Path:
        return root / f"{STAGING}{self.identity}"

    @property
    def folder(self) -> str:
        return f"{self.wheel.name}/{self.identity}"


def install(
    home: Path,
    wheels: Sequence[Wheel],
    *,
    sources: Mapping[str, str] | None = None,
    prefer: Mapping[str, object] | None = None,
    workshop: Workshop | None = None,
    server_since: float | None = None,
) -> list[LockedPlugin]:
    """Install the plugins among some wheels, with what they require of the others; all of them or none.

    Waits for the processes in which they are compiled and tried.

    Args:
        sources: What was asked for, by the wheel's name; the file by default.
        prefer: ``[plugins] prefer``: who wins where a plugin offers a name that is taken.
        server_since: When the running server started, in Unix seconds: what it may have loaded is left in place.

    Raises:
        Conflict: If a requirement is not met, or a name is taken.
        PluginError: If a plugin cannot be loaded or answers a hook with something wrong.
        Invalid: If a wheel has changed since it was read.
        Unavailable: If the folder cannot be written.
    """
    shop = workshop or Workshop()
    with changing(home) as root:
        lock = read_lock(root)
        sweep(root, lock, server_since)
        host = host_distributions(root)
        plans = plan_install(root, lock, wheels, host)
        for wheel, plan in plans:
            check_plan(root, wheel, plan, lock, host)
        check_unused(wheels, plans, host)
        stages = [_Stage(wheel, plan, (sources or {}).get(wheel.name, wheel.path.name)) for wheel, plan in plans]
        try:
            made = [_stage(root, lock, stage, prefer or {}, shop) for stage in stages]
            for stage in stages:
                _put_in_place(root, stage)
        except BaseException:
            for stage in stages:
                shutil.rmtree(stage.staging(root), ignore_errors=True)
                shutil.rmtree(root / stage.folder, ignore_errors=True)
            raise
        commit(root, lock, {**lock.plugins, **{plugin.name: plugin for plugin in made}}, server_since)
    return made


def _stage(root: Path, lock: Lock, stage: _Stage, prefer: Mapping[str, object], shop: Workshop) -> LockedPlugin:
    """Unpack, compile and try one plugin; everything but making it count."""
    folder = stage.staging(root)
    before = lock.plugins.get(stage.wheel.name)
    try:
        folder.mkdir(mode=0o700)
        for wheel in (stage.wheel, *stage.plan.wheels):
            unpack(wheel, folder)
        if before is not None:
            _carry_over(root / before.folder, stage.plan.kept, folder)
        shop.compile(folder, root / stage.folder)
        files = lock_files(folder)
    except OSError as error:
        raise Unavailable(f"{stage.wheel.path.name} cannot be unpacked to {folder}: {error}") from error
    points = _points_of(folder)
    kept = tuple(locked for locked in before.wheels if locked.name in stage.plan.kept) if before else ()
    plugin = LockedPlugin(
        name=stage.wheel.name,
        version=stage.wheel.version,
        folder=stage.folder,
        python=str(sys.implementation.cache_tag),
        source=stage.source,
        installed=round(time.time(), 3),
        points=(),
        requires=tuple(text for text in stage.wheel.requires if canonicalize_name(Requirement(text).name) == "aexl"),
        wheels=(*map(_locked_wheel, (stage.wheel, *stage.plan.wheels)), *kept),
        files=files,
    )
    hooks = _try(plugin, folder, points, prefer, shop)
    seen = tuple(LockedPoint(name=point.name, value=point.value, hooks=hooks[point.name]) for point in points)
    return msgspec.structs.replace(plugin, points=seen)


def _locked_wheel(wheel: Wheel) -> LockedWheel:
    return LockedWheel(name=wheel.name, version=wheel.version, file=wheel.path.name, sha256=wheel.sha256)


def _points_of(folder: Path) -> list[Point]:
    found = importlib.metadata.distributions(path=[str(folder)])
    return [
        Point(name=point.name, value=point.value)
        for distribution in found
        for point in distribution.entry_points.select(group=ENTRY_POINT_GROUP)
    ]


def _try(
    plugin: LockedPlugin, folder: Path, points: Sequence[Point], prefer: Mapping[str, object], shop: Workshop
) -> dict[str, tuple[str, ...]]:
    """Load the plugins of a folder in a process of their own; return their hooks.

    Raises:
        PluginError: If one cannot be loaded, or changes its own files, which would switch it off at the next start.
    """
    verdicts = shop.load(
        Order(
            folder=str(folder),
            origin=plugin.name,
            version=plugin.version,
            points=tuple(points),
            requires=plugin.requires,
            prefer=prefer,
        )
    )
    for point in points:
        reason = verdicts[point.name].reason
        if reason is not None:
            raise PluginError(point.name, "trial", f"{reason}; it is not installed")
    if _changed(folder, plugin):
        raise PluginError(
            points[0].name, "trial", "it writes into its own folder when it is loaded; it is not installed"
        )
    return {name: verdict.hooks for name, verdict in verdicts.items()}


def _changed(folder: Path, plugin: LockedPlugin) -> bool:
    return check_fully(folder.parent, msgspec.structs.replace(plugin, folder=folder.name)) is not None


def _carry_over(old: Path, names: Sequence[str], folder: Path) -> None:
    """Copy distributions that a plugin goes on using from its last folder."""
    for distribution in importlib.metadata.distributions(path=[str(old)]):
        if canonicalize_name(distribution.metadata["Name"]) not in names:
            continue
        for file in distribution.files or ():
            if ".." in file.parts or not (old / file).is_file():
                continue
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(old / file, folder / file)


def _put_in_place(root: Path, stage: _Stage) -> None:
    """Make a staged folder durable and give it its name."""
    folder = stage.staging(root)
    try:
        for place, _, names in os.walk(folder, topdown=False):
            for name in (*names, ""):
                sync(Path(place, name))
        final = root / stage.folder
        final.parent.mkdir(mode=0o700, exist_ok=True)
        folder.rename(final)
        for place in (str(final.parent), str(root)):
            sync(Path(place))
    except OSError as error:
        raise Unavailable(f"{stage.wheel.name} cannot be put into {root / stage.wheel.name}: {error}") from error
