"""``aexl plugin check``: everything about a plugin that can be found out without starting a server."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from aexl.core.plugins.folders import find
from aexl.core.plugins.integrity import check_fully
from aexl.core.plugins.loading import SWITCHED_OFF, PluginRecord, Source
from aexl.core.plugins.lock import LockedPlugin, plugins_folder, read_lock
from aexl.core.plugins.requirements import Present, distributions, host_distributions, plan_folder
from aexl.core.plugins.sources import wrong_python
from aexl.core.plugins.trial import try_plugins
from aexl.core.plugins.worker import Order, Point, Verdict, Verdicts
from aexl.errors import Unavailable


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one plugin; without ``problems`` it is sound.

    Attributes:
        state: Whether it is on; what is off is not loaded, and only its files and requirements were looked at.
    """

    name: str
    version: str
    state: str
    problems: tuple[str, ...]


def check_plugins(
    home: Path,
    sources: Sequence[Source],
    records: Mapping[str, PluginRecord],
    *,
    prefer: Mapping[str, object],
) -> Iterator[Checked]:
    """Check plugins one after the other: files, requirements, loading, answers of hooks.

    Waits for a process for each one that is on.

    Args:
        sources: What to check.
        records: What became of them in this process.
        prefer: ``[plugins] prefer``.
    """
    host = host_distributions(plugins_folder(home))
    verdicts: dict[str, Verdict] = {}
    for source in sources:
        record = records[source.name]
        chosen = record.reason == SWITCHED_OFF
        problems = list(_problems(home, source, host))
        if not chosen and not problems:
            if source.name not in verdicts:
                together = [s for s in sources if s.origin == source.origin and records[s.name].reason != SWITCHED_OFF]
                verdicts |= _load(home, together, prefer)
            reason = verdicts[source.name].reason or record.reason
            problems += [reason] if reason is not None else []
        state = "off" if record.reason is not None or problems else "on"
        yield Checked(name=source.name, version=source.version, state=state, problems=tuple(problems))


def _problems(home: Path, source: Source, host: Mapping[str, Present]) -> Iterator[str]:
    """Yield what is wrong with files and requirements."""
    if isinstance(source.load, Exception):
        yield getattr(source.load, "problem", str(source.load))
    elif source.place == "folder":
        plugin = _locked(home, source)
        if plugin is None:
            yield "its installation was replaced meanwhile; try again"
            return
        root = plugins_folder(home)
        problem = wrong_python(plugin) or check_fully(root, plugin)
        if problem is not None:
            yield problem
            return
        yield from _unmet(source.origin, distributions([str(root / plugin.folder)]), host)
    elif source.origin != "aexl":
        yield from _changed(source.origin)
        yield from _unmet(source.origin, host, host)


def _locked(home: Path, source: Source) -> LockedPlugin | None:
    try:
        return find(read_lock(plugins_folder(home)), source.name)
    except Unavailable:
        return None


def _unmet(name: str, own: Mapping[str, Present], host: Mapping[str, Present]) -> Iterator[str]:
    present = own.get(canonicalize_name(name))
    plan = plan_folder(name, present.requires if present else (), given={}, host=host, own=own)
    yield from plan.contradictions
    yield from (f"it needs {requirement}, which is not there" for requirement in plan.missing)


def _changed(name: str) -> Iterator[str]:
    """Compare a distribution of the environment with its own RECORD."""
    changed: list[str] = []
    for file in importlib.metadata.distribution(name).files or ():
        path = Path(str(file.locate()))
        if file.hash is None:
            continue
        try:
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
        except OSError:
            changed.append(f"{file} missing")
            continue
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value:
            changed.append(f"{file} changed")
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        yield f"its files are not those that were installed: {', '.join(changed[:3])}{more}"


def _load(home: Path, sources: Sequence[Source], prefer: Mapping[str, object]) -> Verdicts:
    """Load the plugins of one distribution in a process of their own."""
    first = sources[0]
    plugin = _locked(home, first) if first.place == "folder" else None
    points = [(s.name, s.load.value) for s in sources if isinstance(s.load, importlib.metadata.EntryPoint)]
    order = Order(
        folder=str(plugins_folder(home) / plugin.folder) if plugin else "",
        origin=first.origin,
        version=first.version,
        points=tuple(Point(name=name, value=value) for name, value in points),
        requires=first.requires,
        prefer=prefer,
    )
    return try_plugins(order)
