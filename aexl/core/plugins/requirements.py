"""Whether what a plugin requires is there: with the host, among the given wheels, or already in its own folder.

The host's packages stand first on ``sys.path``, so the host's version wins, always;
a requirement that excludes it cannot be met by a second copy.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aexl import __version__
from aexl.core.plugins.wheel import Wheel

_LIMIT: Final = 1000
"""Distinct requirements of one plugin, those of its dependencies included."""


@dataclass(frozen=True, slots=True)
class Present:
    """A distribution that is there: its version, and what it requires."""

    version: str
    requires: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """What one plugin's folder will hold, and what stands against it.

    Attributes:
        wheels: Those of the given ones that are required.
        kept: Names of distributions that its folder has already and that it goes on using.
        missing: Requirements that nothing meets.
        contradictions: Sentences.
    """

    wheels: list[Wheel] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)


def host_distributions(root: Path) -> dict[str, Present]:
    """Return what is importable before any plugin's folder: the host, its dependencies, and what lies beside them.

    Args:
        root: ``$AEXL_HOME/plugins``, whose folders do not count.
    """
    path = [entry for entry in sys.path if not Path(entry or ".").absolute().is_relative_to(root.absolute())]
    return distributions(path)


def distributions(path: Sequence[str]) -> dict[str, Present]:
    """Return the distributions of some folders by normalised name; the first of a name counts."""
    found: dict[str, Present] = {}
    for distribution in importlib.metadata.distributions(path=list(path)):
        metadata = distribution.metadata  # read and parsed each time it is asked for
        if "Name" in metadata and "Version" in metadata:
            requires = tuple(metadata.get_all("Requires-Dist") or ())
            found.setdefault(canonicalize_name(metadata["Name"]), Present(metadata["Version"], requires))
    return found


def plan_folder(
    name: str,
    requires: Iterable[str],
    *,
    given: Mapping[str, Wheel],
    host: Mapping[str, Present],
    own: Mapping[str, Present],
) -> Plan:
    """Find out how each requirement of a plugin, and of what it requires, is met.

    Args:
        name: The plugin's distribution.
        given: The wheels at hand, by name.
        host: See ``host_distributions``.
        own: What the plugin's folder has besides the plugin.
    """
    plan = Plan()
    pending: list[tuple[str, Requirement]] = list(_applying(name, requires, ("",)))
    seen: set[str] = set()
    while pending:
        asker, requirement = pending.pop(0)
        text = f"{asker}: {requirement}"
        if text in seen or len(seen) >= _LIMIT:
            continue
        seen.add(text)
        pending += _meet(plan, asker, requirement, given, host, own)
    return plan


def _meet(
    plan: Plan,
    asker: str,
    requirement: Requirement,
    given: Mapping[str, Wheel],
    host: Mapping[str, Present],
    own: Mapping[str, Present],
) -> Iterable[tuple[str, Requirement]]:
    """Decide about one requirement; return those that follow from it."""
    name = canonicalize_name(requirement.name)
    if name == "aexl":
        if not requirement.specifier.contains(__version__, prereleases=True):
            plan.contradictions.append(f"{asker} needs {_bare(requirement)}, and this is aexl {__version__}")
        return ()
    if name in host:
        return _meet_by(plan, asker, requirement, host[name], "aexl's own {} is {}, and it always wins", core=True)
    if name in given:
        wheel = given[name]
        if wheel not in plan.wheels:
            plan.wheels.append(wheel)
        return _meet_by(plan, asker, requirement, Present(wheel.version, wheel.requires), "the given {} is {}")
    if name in own and requirement.specifier.contains(own[name].version, prereleases=True):
        if name not in plan.kept:
            plan.kept.append(name)
        return _meet_by(plan, asker, requirement, own[name], "{} in its folder is {}")
    plan.missing.append(_bare(requirement))
    return ()


def _meet_by(
    plan: Plan, asker: str, requirement: Requirement, present: Present, sentence: str, *, core: bool = False
) -> Iterable[tuple[str, Requirement]]:
    if not requirement.specifier.contains(present.version, prereleases=True):
        why = sentence.format(requirement.name, present.version)
        plan.contradictions.append(f"{asker} needs {_bare(requirement)}, and {why}")
        return ()
    extras = tuple(requirement.extras)
    # What the host has, it has with its requirements; only an extra can ask for more.
    return _applying(requirement.name, present.requires, extras if core else ("", *extras), only_extras=core)


def _applying(
    asker: str, requires: Iterable[str], extras: Sequence[str], *, only_extras: bool = False
) -> Iterable[tuple[str, Requirement]]:
    for text in requires:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None:
            if not only_extras:
                yield asker, requirement
        elif any(marker.evaluate({"extra": extra}) for extra in extras) and not (
            only_extras and marker.evaluate({"extra": ""})
        ):
            yield asker, requirement


def _bare(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"
