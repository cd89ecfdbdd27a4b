"""``FROM``: a file that is another one with changes. Merges trees, so that every line keeps its origin. Pure.

For one layer: start with the resolved base; take away what is disabled; put other
bodies where they are overridden; insert before and after; append the rest.
Targets are ids, or paths into loops and chains: ``loop::fix``, ``review::then::0``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aexl_pipelines.language.problems import Report, suggest
from aexl_pipelines.language.source import AnyNode, Fields, Items, Scalar
from aexl_pipelines.language.vocabulary.steps import HOOKS

_BY_NAME: Final = ("pipelines", "providers", "inputs", "outputs", "secrets", "meta")
_BY_FIELD: Final = ("defaults", "budget")
_WHOLE: Final = ("tools",)
_CHAINS: Final = ("before", "then")
_ORDER: Final = {"disable": 0, "override": 1, "run_before": 2, "run_after": 2}
_LOOPS: Final = ("do_while", "for_each")


@dataclass(eq=False)
class _Slot:
    """One step of the base, open to change."""

    path: str
    node: AnyNode
    before: list[AnyNode] = field(default_factory=list)
    after: list[AnyNode] = field(default_factory=list)
    gone: bool = False
    changed: bool = False
    lost: bool = False
    inner: dict[str, list[_Slot]] = field(default_factory=dict)


def without_hooks(heir: Fields) -> Fields:
    """Return a file whose base is not to be had as one that stands alone: its hooks as plain steps, or gone."""
    steps = heir.values.get("pipeline")
    alone = heir.without("FROM")
    if not isinstance(steps, Items):
        return alone
    kept = [
        item.without(*HOOKS) if isinstance(item, Fields) else item
        for item in steps.items
        if not (isinstance(item, Fields) and "disable" in item.values)
    ]
    items = Items(steps.source, steps.line, steps.column, tuple(kept))
    return alone.with_({"pipeline": (alone.keys["pipeline"], items) if kept else None})


def inherit(base: Fields, heir: Fields, report: Report) -> Fields:
    """Return the file that an heir is, with its base's lines where they count. ``FROM`` is gone from it."""
    changes: dict[str, tuple[Scalar, AnyNode] | None] = {}
    for key, value in heir:
        name = key.text
        old = base.values.get(name)
        if name == "FROM":
            continue
        if name == "pipeline":
            merged = _merge_steps(old, value, report)
            changes[name] = (base.keys[name] if old is not None else key), merged
        elif name == "pipelines" and isinstance(old, Fields) and isinstance(value, Fields):
            changes[name] = base.keys[name], _merge_named(old, value, report)
        elif name in _BY_FIELD and isinstance(old, Fields) and isinstance(value, Fields):
            changes[name] = key, _merge_fields(old, value)
        elif name in _BY_NAME and isinstance(old, Fields) and isinstance(value, Fields):
            changes[name] = key, old.with_({k.text: (k, v) for k, v in value})
        else:
            changes[name] = key, value
    return base.with_(changes)


def _merge_fields(old: Fields, new: Fields) -> Fields:
    """Merge mappings field by field, the newer wins; lists of tools count as a whole."""
    changes: dict[str, tuple[Scalar, AnyNode] | None] = {}
    for key, value in new:
        before = old.values.get(key.text)
        if isinstance(before, Fields) and isinstance(value, Fields) and key.text not in _WHOLE:
            value = _merge_fields(before, value)
        changes[key.text] = key, value
    for one, other in (("timeout", "timeout_seconds"), ("timeout_seconds", "timeout"), ("retry", "max_retries")):
        if one in new.values and other in old.values and other not in new.values:
            changes[other] = None  # two spellings of one thing: the newer wins
    return old.with_(changes)


def _merge_named(old: Fields, new: Fields, report: Report) -> Fields:
    changes: dict[str, tuple[Scalar, AnyNode] | None] = {}
    for key, value in new:
        before = old.values.get(key.text)
        hooked = isinstance(value, Items) and any(_hooks_of(item) for item in value.items)
        if before is not None and hooked:
            changes[key.text] = old.keys[key.text], _merge_steps(before, value, report)
            continue
        if before is not None:
            for slot in _all_slots(_slots(before, "")):
                if _is_required(slot.node):
                    report.problem(
                        key.place,
                        f"the pipeline {key.text!r} has the required step {slot.path!r} and cannot be replaced",
                        "change it with hooks instead, or give yours another name",
                    )
        changes[key.text] = key, value
    return old.with_(changes)


def _merge_steps(old: AnyNode | None, new: AnyNode, report: Report) -> AnyNode:
    if not isinstance(new, Items):
        return new if old is None else old  # what is wrong with it is said where it is read
    slots = _slots(old, "") if old is not None else []
    by_path = {slot.path: slot for slot in _all_slots(slots)}
    plain = [item for item in new.items if not _hooks_of(item)]
    hooked = [item for item in new.items if isinstance(item, Fields) and _hooks_of(item)]
    seen: dict[tuple[str, str], Scalar] = {}
    for item in sorted(hooked, key=lambda each: _ORDER[_hooks_of(each)[0]]):
        hooks = _hooks_of(item)
        if len(hooks) > 1:
            report.problem(
                item.keys[hooks[1]].place, f"a step is one hook, not {' and '.join(hooks)}", "make two entries of it"
            )
        else:
            _apply(hooks[0], item, by_path, seen, report)
    place = old if isinstance(old, Items) else new
    return Items(place.source, place.line, place.column, (*_rebuilt(slots), *plain))


def _hooks_of(node: AnyNode) -> list[str]:
    return [name for name in HOOKS if name in node.values] if isinstance(node, Fields) else []


def _apply(
    hook: str, item: Fields, slots: Mapping[str, _Slot], seen: dict[tuple[str, str], Scalar], report: Report
) -> None:
    target_node = item.values[hook]
    target = target_node.text.strip() if isinstance(target_node, Scalar) else ""
    slot = slots.get(target)
    place = target_node.place
    if slot is None:
        ids = sorted(slots)
        hint = suggest(target, ids) or f"the base has {', '.join(ids[:20])}"
        report.problem(place, f"the base has no step {target[:60]!r} to {_verb(hook)}", hint)
        return
    if (hook, target) in seen:
        report.problem(place, f"{hook}: {target} stands here twice", f"the first is in line {seen[hook, target].line}")
        return
    if slot.lost:
        report.problem(
            place,
            f"the step {target[:60]!r} is gone with what it was in, by another hook of this file",
            "remove one of the two",
        )
        return
    assert isinstance(target_node, Scalar)
    seen[hook, target] = target_node
    body = item.without(hook)
    match hook:
        case "disable" | "override":
            _replace(hook, slot, body, item, report)
        case "run_before":
            slot.before.append(body)
        case _:
            slot.after.append(body)


def _verb(hook: str) -> str:
    return {"run_before": "run before", "run_after": "run after"}.get(hook, hook)


def _replace(hook: str, slot: _Slot, body: Fields, item: Fields, report: Report) -> None:
    for inner in _all_slots([slot]):
        if _is_required(inner.node):
            report.problem(
                item.place, f"the step {inner.path!r} is required: an heir cannot {hook} it", "remove this hook"
            )
            return
    for lost in _all_slots([each for chain in slot.inner.values() for each in chain]):
        lost.lost = True
    if hook == "disable":
        for key, _ in body:
            report.problem(
                key.place,
                f"'disable' takes nothing away but the step; {key.text[:60]!r} has no place here",
                "write 'override' to do something else instead",
            )
        slot.gone = True
        return
    given = body.values.get("id")
    own = slot.node.values.get("id") if isinstance(slot.node, Fields) else None
    if isinstance(given, Scalar) and given.text != (own.text if isinstance(own, Scalar) else None):
        report.problem(given.place, f"'override' keeps the id {slot.path!r}", "leave 'id' out")
        return
    if isinstance(slot.node, Fields) and isinstance(own, Scalar):
        rest = body.without("id")
        keys = {"id": slot.node.keys["id"], **rest.keys}
        body = Fields(body.source, body.line, body.column, keys, {"id": own, **rest.values})
    slot.node, slot.inner, slot.changed = body, {}, True


def _is_required(node: AnyNode) -> bool:
    flag = node.values.get("required") if isinstance(node, Fields) else None
    return isinstance(flag, Scalar) and flag.value is True


def _slots(node: AnyNode, prefix: str) -> list[_Slot]:
    """Return a list of steps as slots, with those of chains and loops within them."""
    items = node.items if isinstance(node, Items) else (node,)
    return [_slot(item, prefix, number) for number, item in enumerate(items)]


def _slot(node: AnyNode, prefix: str, number: int) -> _Slot:
    own = node.values.get("id") if isinstance(node, Fields) else None
    path = prefix + (own.text.strip() if isinstance(own, Scalar) and own.text.strip() else str(number))
    slot = _Slot(path, node)
    if isinstance(node, Fields):
        for name in _CHAINS:
            if name in node.values:
                slot.inner[name] = _slots(node.values[name], f"{path}::{name}::")
        for name in _LOOPS:
            loop = node.values.get(name)
            if isinstance(loop, Fields) and isinstance(loop.values.get("steps"), Items):
                slot.inner[name] = _slots(loop.values["steps"], f"{path}::")
    return slot


def _all_slots(slots: Sequence[_Slot]) -> Iterator[_Slot]:
    for slot in slots:
        yield slot
        for inner in slot.inner.values():
            yield from _all_slots(inner)


def _rebuilt(slots: Sequence[_Slot]) -> Iterator[AnyNode]:
    for slot in slots:
        yield from slot.before
        if not slot.gone:
            yield _with_inner(slot)
        yield from slot.after


def _with_inner(slot: _Slot) -> AnyNode:
    node = slot.node
    if not isinstance(node, Fields):
        return node
    for name, inner in slot.inner.items():
        if not any(each.before or each.after or each.gone or each.changed for each in _all_slots(inner)):
            continue
        key, old = node.keys[name], node.values[name]
        steps = old.values["steps"] if isinstance(old, Fields) and name in _LOOPS else old
        items = Items(steps.source, steps.line, steps.column, tuple(_rebuilt(inner)))
        changed: AnyNode = items
        if isinstance(old, Fields) and name in _LOOPS:
            changed = old.with_({"steps": (old.keys["steps"], items)})
        elif not items.items:
            node = node.without(name)
            continue
        node = node.with_({name: (key, changed)})
    return node
