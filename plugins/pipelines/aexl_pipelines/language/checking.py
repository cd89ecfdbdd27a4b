"""What can only be seen of a whole list of steps: ids, order, branches, names, schemas. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from aexl_pipelines.language.conditions import Condition, NamedCondition, PatternCondition, TextCondition
from aexl_pipelines.language.expressions.references import Reference
from aexl_pipelines.language.expressions.tree import (
    Comparison,
    Constant,
    Emptiness,
    Expression,
    Junction,
    Listed,
    Matching,
    Negation,
    Word,
)
from aexl_pipelines.language.model import Branch, DoWhileBody, ForEachBody, Pipeline, PipelineBody, Step
from aexl_pipelines.language.ordering import check_order, settled
from aexl_pipelines.language.parts import Part
from aexl_pipelines.language.problems import Place, Report
from aexl_pipelines.language.schemas import mismatch
from aexl_pipelines.language.templates import Template
from aexl_pipelines.language.variables import Scope, explain

Origins = Mapping[int, tuple[object, Callable[[int], Place]]]


def check_pipeline(pipeline: Pipeline, report: Report, origins: Origins) -> None:
    """Report what is wrong with the lists of steps of a pipeline."""
    checker = _Checker(report, origins)
    base = Scope(
        known={"invocation": None},
        inputs=frozenset(pipeline.inputs),
        secrets=frozenset(pipeline.secrets),
    )
    for steps in (pipeline.steps, *pipeline.pipelines.values()):
        checker.list(steps, base, top=True)
    for output in pipeline.outputs.values():
        check_names_at_end(pipeline, output, report, origins)
    checker.names(pipeline.defaults, replace(base, known={"invocation": None}), None)
    _check_cycles(pipeline, report)


def check_names_at_end(pipeline: Pipeline, value: object, report: Report, origins: Origins) -> None:
    """Report the names in a template or an expression that stand for nothing when a pipeline has ended."""
    end = Scope(known=names_at_end(pipeline), inputs=frozenset(pipeline.inputs), secrets=frozenset(pipeline.secrets))
    _Checker(report, origins).names(value, end, None)


def names_at_end(pipeline: Pipeline) -> Mapping[str, Step | None]:
    """Return every name that steps have when a pipeline has ended; ``None`` for what is no step of its own."""
    return {"invocation": None, **dict(_all_names(pipeline.steps))}


class _Checker:
    def __init__(self, report: Report, origins: Origins) -> None:
        self._report = report
        self._origins = origins

    def list(self, steps: Sequence[Step], scope: Scope, *, top: bool = False) -> None:
        self._ids(steps, top=top)
        check_order(steps, self._report)
        ids = frozenset(step.id for step in steps)
        ended = settled(steps)
        names = {step.id: dict(_all_names([step])) for step in steps}
        branching = any(step.async_ for step in steps)
        known = dict(scope.known)
        extra = {name: step for name, step in scope.extra.items() if name not in ids}
        later = dict.fromkeys(step.id for step in steps)
        previous: Step | None = None
        for step in steps:
            if branching:
                known = {**scope.known}
                for name in ended[step.id] & ids:
                    known.update(names[name])
            here = replace(
                scope,
                known=known,
                extra=extra,
                unfinished=(scope.unfinished - ids)
                | (ids - ended[step.id] - later.keys() if branching else frozenset()),
                later=scope.later | later.keys() if scope.later else later.keys(),
            )
            self._step(step, here)
            if previous is not None:
                self._schemas(previous, step)
            previous = step
            later.pop(step.id, None)
            known.update(names[step.id])

    def _ids(self, steps: Sequence[Step], *, top: bool) -> None:
        seen: dict[str, Place] = {}
        for number, step in enumerate(steps):
            if not step.id:
                self._report.problem(step.place, "a step needs the key 'id'", "add id: and a name of its own")
            elif step.id in seen:
                self._report.problem(
                    step.place,
                    f"the id {step.id[:60]!r} is taken by the step in line {seen[step.id].line}",
                    "give it another id",
                )
            elif step.id == "invocation" and (number or not top):
                self._report.problem(
                    step.place, "'invocation' is the first step of a pipeline, and no other", "give it another id"
                )
            seen.setdefault(step.id, step.place)

    def _step(self, step: Step, scope: Scope) -> None:
        self._chain(step.before)
        self._chain(step.then)
        for entry in step.before:
            self._step(entry, scope)
            scope = _with(scope, entry)
        body = step.body
        if isinstance(body, DoWhileBody):
            inner = replace(scope, in_do_while=True)
            self.names(body.exit_when, replace(inner, known={**scope.known, **dict(_all_names(body.steps))}), step)
            self.names(body.exit_if, replace(inner, known={**scope.known, **dict(_all_names(body.steps))}), step)
            self.list(body.steps, inner)
        elif isinstance(body, ForEachBody):
            self.names(body.over, scope, step)
            self.names(body.matrix, scope, step)
            axes = frozenset(body.matrix or ()) | {"item", "index", "total", body.variable}
            self.list(body.steps, replace(scope, loop=axes | (scope.loop or frozenset())))
        own = replace(scope, extra={**scope.extra, step.id: step})
        for name in step.__struct_fields__:
            if name == "body" and isinstance(body, DoWhileBody | ForEachBody):
                continue
            if name not in {"before", "then", "place"}:
                after = name in {"on_result", "message"}
                self.names(getattr(step, name), own if after else scope, step)
        self._others(step, own)
        if step.then:
            scope = _with(scope, step)
        for entry in step.then:
            self._step(entry, scope)
            scope = _with(scope, entry)

    def _chain(self, entries: Sequence[Step]) -> None:
        """Report what a chain, which runs in order, does not know."""
        seen: set[str] = set()
        for entry in entries:
            if entry.async_ or entry.depends_on:
                message = "the entries of a chain run in order: no 'async', no 'depends_on'"
                self._report.problem(entry.place, message, "remove them, or make a step of the list of it")
            if entry.path in seen:
                self._report.problem(
                    entry.place, f"the id {entry.id[:60]!r} is taken in this chain", "give it another id"
                )
            seen.add(entry.path)

    def _others(self, step: Step, scope: Scope) -> None:
        """Check steps that are named outside of templates."""
        named = [(step.resume.step, step.place)] if step.resume is not None and step.resume.step else []
        named += [(branch.target, branch.place) for branch in step.on_result if branch.target]
        for name, place in named:
            fault = explain(Reference(("step", name, "status")), scope)
            if fault is not None:
                self._report.problem(place, *fault)

    def names(self, value: object, scope: Scope, step: Step | None) -> None:
        """Report the names in a part of a pipeline that stand for nothing there."""
        for reference, place in _references(value, self._origins):
            fault = explain(reference, scope)
            if fault is not None:
                where = place or (step.place if step is not None else None)
                if where is not None:
                    self._report.problem(where, *fault, "template/unresolved-variable")

    def _schemas(self, producer: Step, consumer: Step) -> None:
        fault = mismatch(producer.output_schema, consumer.input_schema)
        if fault is not None:
            self._report.problem(consumer.place, fault, "let the two schemas agree", "schema/compatibility-failed")


def _with(scope: Scope, step: Step) -> Scope:
    return replace(scope, extra={**scope.extra, **dict(_all_names([step]))})


def _all_names(steps: Sequence[Step]) -> Iterator[tuple[str, Step | None]]:
    """Yield every name by which steps and what is within them are known to those after them."""
    for step in steps:
        yield step.id, step
        yield step.path, step
        if any(branch.action == "pipeline" for branch in step.on_result):
            yield f"{step.id}__on_result", None
        inner = step.body.steps if isinstance(step.body, DoWhileBody | ForEachBody) else ()
        for each in inner:
            for name, found in _all_names([each]):
                yield f"{step.id}::{name}", found
        for label, chain in (("before", step.before), ("then", step.then)):
            for number, entry in enumerate(chain):
                for name, found in _all_names([entry]):
                    yield name, found
                yield f"{step.id}::{label}::{number}", entry


def _references(value: object, origins: Origins) -> Iterator[tuple[Reference, Place | None]]:
    """Yield the names in a part of a pipeline, and where they stand; those with a default may be missing."""
    _, place_of = origins.get(id(value), (None, None))

    def at(offset: int) -> Place | None:
        return place_of(offset) if place_of is not None else None

    match value:
        case Template():
            for reference in value.references:
                yield reference, at(reference.offset)
        case NamedCondition() | TextCondition() | PatternCondition():
            for reference, offset in _names_in(value):
                yield reference, at(offset)
        case (
            Constant()
            | Word()
            | Listed()
            | Reference()
            | Negation()
            | Junction()
            | Comparison()
            | Matching()
            | Emptiness()
        ):
            for reference in _names_of(value):
                yield reference, at(reference.offset)
        case _:
            for part in _parts_of(value):
                yield from _references(part, origins)


def _parts_of(value: object) -> Iterator[object]:
    match value:
        case Part():
            yield from (getattr(value, name) for name in value.__struct_fields__)
        case Mapping():
            yield from value.values()
        case list() | tuple():
            yield from value
        case _:
            return


def _names_in(condition: Condition) -> Iterator[tuple[Reference, int]]:
    """Yield the names in a condition, and where in it they stand."""
    match condition:
        case TextCondition():
            yield from ((reference, reference.offset) for reference in condition.left.references)
            yield from ((name, name.offset + condition.right_offset) for name in condition.right.references)
        case PatternCondition():
            yield from ((reference, reference.offset) for reference in condition.left.references)
        case NamedCondition():
            return


def _names_of(expression: Expression) -> Iterator[Reference]:
    match expression:
        case Reference():
            yield expression
        case Negation() | Emptiness():
            yield from _names_of(expression.operand)
        case Junction():
            for each in expression.operands:
                yield from _names_of(each)
        case Listed():
            for each in expression.items:
                yield from _names_of(each)
        case Matching():
            yield from _names_of(expression.left)
        case Comparison():
            yield from _names_of(expression.left)
            yield from _names_of(expression.right)
        case Constant() | Word():
            return


def _check_cycles(pipeline: Pipeline, report: Report) -> None:
    """Report named pipelines that call one another in a circle."""
    calls = {name: sorted(_called(steps)) for name, steps in pipeline.pipelines.items()}
    done: set[str] = set()

    def follow(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            circle = " -> ".join([*trail[trail.index(name) :], name])
            place = pipeline.pipelines[name][0].place
            report.problem(
                place,
                f"the pipelines call one another in a circle: {circle}",
                "take one of these calls out",
                "pipeline/circular-reference",
            )
            return
        if name in done:
            return
        for called in calls.get(name, ()):
            follow(called, (*trail, name))
        done.add(name)

    for name in calls:
        follow(name, ())


def _called(value: object) -> set[str]:
    """Return the named pipelines that a part of a pipeline calls."""
    found: set[str] = set()
    if isinstance(value, tuple):
        for each in value:
            found |= _called(each)
    elif isinstance(value, Step):
        found |= _called(value.body) | _called(value.before) | _called(value.then) | _called(value.on_result)
    elif isinstance(value, PipelineBody):
        found |= {value.target.name} if value.target.name else set()
    elif isinstance(value, Branch) and value.pipeline is not None and value.pipeline.name:
        found.add(value.pipeline.name)
    elif isinstance(value, DoWhileBody | ForEachBody):
        found |= _called(value.steps)
        if value.file is not None and not value.steps:
            found.add(value.file)
    return found


def essence(pipeline: Pipeline) -> object:
    """Return what a pipeline says, without where it says it: two files that mean the same have the same."""
    return _without_places(pipeline)


def _without_places(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        skipped = {"place", "file", "folder"} if isinstance(value, Pipeline) else {"place"}
        found: dict[str, object] = {"": type(value).__name__}
        for name in value.__struct_fields__:
            each = getattr(value, name)
            if name not in skipped:
                is_path = name in {"file", "folder"} and isinstance(each, str)
                found[name] = os.path.normpath(each) if is_path else _without_places(each)
        return found
    if isinstance(value, Mapping):
        return {name: _without_places(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(each) for each in value]
    return value
