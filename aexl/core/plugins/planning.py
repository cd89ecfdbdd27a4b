"""What an installation will consist of, and whether it may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aexl.core.plugins.lock import Lock
from aexl.core.plugins.requirements import Plan, Present, distributions, plan_folder
from aexl.core.plugins.sources import installed_sources
from aexl.core.plugins.wheel import Wheel
from aexl.errors import Conflict
from aexl.hookspecs import ENTRY_POINT_GROUP


def sort_wheels(wheels: Iterable[Wheel]) -> tuple[list[Wheel], dict[str, Wheel]]:
    """Return the plugins among some wheels, and all of them by name.

    A plugin that another one requires is that one's dependency.

    Raises:
        Conflict: If a distribution is given twice, or none of the wheels has a plugin.
    """
    given: dict[str, Wheel] = {}
    for wheel in wheels:
        if wheel.name in given:
            raise Conflict(f"{wheel.name} is given twice: {given[wheel.name].path.name} and {wheel.path.name}")
        given[wheel.name] = wheel
    required = {
        canonicalize_name(Requirement(text).name)
        for wheel in given.values()
        for text in wheel.requires
        if canonicalize_name(Requirement(text).name) != wheel.name
    }
    plugins = [wheel for wheel in given.values() if wheel.points]
    roots = [wheel for wheel in plugins if wheel.name not in required] or plugins
    if not roots:
        names = ", ".join(wheel.path.name for wheel in given.values())
        raise Conflict(f"{names}: no plugin, for there is no entry point of the group {ENTRY_POINT_GROUP!r}")
    return roots, given


def plan_install(
    root: Path, lock: Lock, wheels: Sequence[Wheel], host: Mapping[str, Present]
) -> list[tuple[Wheel, Plan]]:
    """Return for each plugin among some wheels how its requirements are met, with what is missing."""
    roots, given = sort_wheels(wheels)
    plans: list[tuple[Wheel, Plan]] = []
    for wheel in roots:
        before = lock.plugins.get(wheel.name)
        own = distributions([str(root / before.folder)]) if before else {}
        others = {name: other for name, other in given.items() if other is not wheel}
        own.pop(wheel.name, None)
        plans.append((wheel, plan_folder(wheel.name, wheel.requires, given=others, host=host, own=own)))
    return plans


def check_plan(root: Path, wheel: Wheel, plan: Plan, lock: Lock, host: Mapping[str, Present]) -> None:
    """Refuse what cannot work.

    Raises:
        Conflict: If a requirement is not met, or a name or a package is taken; says by whom.
    """
    refusal = f"{wheel.name} {wheel.version} is not installed"
    if plan.contradictions:
        raise Conflict(f"{refusal}: {'; '.join(plan.contradictions)}")
    if plan.missing:
        needed = ", ".join(plan.missing)
        raise Conflict(
            f"{refusal}: it needs {needed}, which is not there; "
            "give the wheel of that as well, or its name to have it fetched from an index"
        )
    if wheel.name in host:
        raise Conflict(
            f"{refusal}: {wheel.name} {host[wheel.name].version} is in Python's environment beside aexl, and that "
            f"one always wins; 'pip uninstall {wheel.name}' there first"
        )
    taken = {source.name: f"{source.origin} {source.version}" for source in installed_sources(root.parent)}
    for other in lock.plugins.values():
        if other.name != wheel.name:
            taken |= {point.name: f"{other.name} {other.version}" for point in other.points}
    for brought in (wheel, *plan.wheels):
        for name, _ in brought.points:
            if name in taken:
                raise Conflict(f"{refusal}: a plugin called {name!r} comes from {taken[name]} already")
        _check_second_copy(refusal, wheel, brought, lock)


def _check_second_copy(refusal: str, wheel: Wheel, brought: Wheel, lock: Lock) -> None:
    """All plugins share one process, so one version of a distribution must do for all of them."""
    for other in lock.plugins.values():
        for locked in other.wheels if other.name != wheel.name else ():
            if locked.name == brought.name and locked.version != brought.version:
                raise Conflict(
                    f"{refusal}: plugin {other.name} brings {locked.name} {locked.version}, and only one version can "
                    f"be loaded; give the wheel of that one, or install {other.name} anew with {brought.path.name}"
                )


def check_unused(wheels: Sequence[Wheel], plans: Sequence[tuple[Wheel, Plan]], host: Mapping[str, Present]) -> None:
    """Refuse wheels that no plugin needs; those of packages that the host has are simply not used.

    Raises:
        Conflict: If there is one.
    """
    used = {id(wheel) for plugin, plan in plans for wheel in (plugin, *plan.wheels)}
    for wheel in wheels:
        if id(wheel) not in used and wheel.name not in host:
            plugins = ", ".join(plugin.name for plugin, _ in plans)
            raise Conflict(f"{wheel.path.name} is no plugin, and {plugins} does not need it; leave it out")
