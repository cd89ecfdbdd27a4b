"""From case files to the runs that are to be made: every problem at once, each with its place.

The pipelines that cases are about are loaded as well; what is wrong with them is
wrong with the cases. Pure but for ``find``, which is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from aexl.errors import AexlError
from aexl_pipelines.cases.model import DECLARED, Case, CaseFile, Check, Matrix, Setup, Trial
from aexl_pipelines.cases.vocabulary import ANY_STEP, FILE
from aexl_pipelines.language.checking import check_names_at_end, names_at_end
from aexl_pipelines.language.discovery import CASES
from aexl_pipelines.language.inputs import check_input
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.model import DoWhileBody, ForEachBody, Pipeline, PipelineBody, PipelineTarget, Step
from aexl_pipelines.language.problems import InvalidPipeline, Place, Problem, Report, suggest
from aexl_pipelines.language.reader import Files, Reader
from aexl_pipelines.language.reading import LARGEST, read_yaml
from aexl_pipelines.language.skills import SkillFinder
from aexl_pipelines.language.source import Source

SUFFIXES: Final = (f"{CASES}.yaml", f"{CASES}.yml")
STUB: Final = "stub"
_DEEPEST: Final = 16


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the command line says instead of the files.

    Attributes:
        runners: Answer instead of those that the cases name, and instead of tapes, unless these are recorded.
    """

    record: bool = False
    runners: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(kw_only=True)
class CaseLoader:
    """Loads case files, and every pipeline once.

    Attributes:
        find: Returns the file that a pipeline's name means, for a case in this folder; raises ``NotFound``.
        load: Loads a pipeline file.
        runners: The names that there are.
    """

    files: Files
    find: Callable[[str, Path], Path]
    load: Callable[[Path], Loaded]
    runners: Mapping[str, object]
    report: Report = field(default_factory=Report)
    _loaded: dict[Path, Loaded] = field(default_factory=dict)

    def trials(self, path: Path, overrides: Overrides | None = None) -> list[Trial]:
        """Return the runs that a case file asks for; what is wrong is in ``report``."""
        place = Place(self.files.name_of(path), 1, 1)
        try:
            text = self.files.read(path, LARGEST)
        except AexlError as error:
            self.report.problem(place, str(error), code="config/file-not-found")
            return []
        return self.trials_of(Source(place.file, text, path.parent, path), overrides or Overrides())

    def trials_of(self, source: Source, overrides: Overrides) -> list[Trial]:
        """Return the runs that a text asks for; see ``trials``."""
        reader = Reader(report=self.report, files=self.files, finder=SkillFinder())
        tree = read_yaml(source, self.report)
        found = FILE.read(tree, "the file", reader) if tree is not None else None
        trials: list[Trial] = []
        for case in found.cases if isinstance(found, CaseFile) else ():
            trials += self._trials(case, source, reader, overrides)
        return trials

    def unwrap(self) -> None:
        """Return if nothing is wrong.

        Raises:
            InvalidPipeline: If something is; names every problem.
        """
        if self.report.problems:
            raise InvalidPipeline(self.report.problems, self.report.dropped, "the cases have")

    def _trials(self, case: Case, source: Source, reader: Reader, overrides: Overrides) -> Iterator[Trial]:
        loaded = self._pipeline(case, source)
        if loaded is None or loaded.pipeline is None:
            return
        inputs = self._inputs(case, loaded.pipeline)
        self._names(case, loaded, reader)
        for label, runner, model in _combinations(case.setup, overrides):
            if runner not in self.runners and runner != DECLARED:
                key = "matrix" if case.setup.matrix is not None and case.setup.matrix.runners else "runner"
                place = case.setup.places.get(key, case.place)
                hint = suggest(runner, [*self.runners, DECLARED])
                self.report.problem(place, f"there is no runner {runner[:60]!r}", hint)
                continue
            if overrides.runners and not overrides.record:
                case = msgspec.structs.replace(case, setup=msgspec.structs.replace(case.setup, tape=None))
            yield Trial(
                file=source.name,
                case=case,
                label=label,
                runner=runner,
                taped=case.setup.tape is not None and not overrides.record,
                model=model,
                loaded=loaded,
                inputs=inputs,
            )

    def _pipeline(self, case: Case, source: Source) -> Loaded | None:
        """Return the pipeline of a case."""
        path = self._named(case, source)
        if path is None:
            return None
        if path not in self._loaded:
            loaded = self._loaded[path] = self.load(path)
            for problem in loaded.problems:
                self._add(problem)
        return self._loaded[path]

    def _add(self, problem: Problem) -> None:
        self.report.problem(problem.place, problem.message, problem.suggestion, problem.code)

    def _named(self, case: Case, source: Source) -> Path | None:
        name = case.setup.pipeline
        place = case.setup.places.get("pipeline", source.place())
        if name is None:
            beside = beside_of(source.path) if source.path is not None else None
            if beside is None:
                message = f"no pipeline stands beside {source.name}"
                self.report.problem(place, message, "name it with 'pipeline:'", "config/file-not-found")
            return beside
        try:
            return self.find(name.strip(), source.folder or Path.cwd())
        except AexlError as error:
            self.report.problem(place, str(error), code="config/file-not-found")
            return None

    def _inputs(self, case: Case, pipeline: Pipeline) -> dict[str, object]:
        """Return the inputs that a case gives, and the defaults of the others."""
        given = case.setup.inputs
        values: dict[str, object] = {}
        for name, each in given.items():
            wanted = pipeline.inputs.get(name)
            if wanted is None:
                hint = suggest(name, pipeline.inputs) or f"{pipeline.file} declares no inputs"
                self.report.problem(each.place, f"there is no input {name[:60]!r} in {pipeline.file}", hint)
                continue
            try:
                values[name] = check_input(name, wanted, each.value) if wanted.type != "file" else each.value
            except AexlError as error:
                self.report.problem(each.place, str(error))
        for name, wanted in pipeline.inputs.items():
            if name not in given and wanted.required:
                self.report.problem(
                    case.setup.places.get("inputs", case.place),
                    f"the input {name!r} of {pipeline.file} is missing",
                    f"add {name}: and a value to 'inputs:'",
                )
            values.setdefault(name, wanted.default)
        return values

    def _names(self, case: Case, loaded: Loaded, reader: Reader) -> None:
        """Report steps and outputs that the pipeline does not have."""
        pipeline = loaded.unwrap()
        known = step_names(pipeline, loaded)
        for check in case.setup.checks:
            self._check(check, pipeline, known, reader)
        for key in ("answers", "gates"):
            for name in getattr(case.setup, key):
                if name != ANY_STEP and not is_known(name, known):
                    place = case.setup.places.get(f"{key} {name}", case.place)
                    self._no_step(place, name, known, pipeline)

    def _check(self, check: Check, pipeline: Pipeline, known: Mapping[str, bool], reader: Reader) -> None:
        if check.subject in {"step", "asked of"} and not is_known(check.name, known):
            self._no_step(check.place, check.name, known, pipeline)
        elif check.subject == "output" and check.name not in pipeline.outputs:
            hint = suggest(check.name, pipeline.outputs)
            message = f"there is no output {check.name[:60]!r} in {pipeline.file}"
            self.report.problem(check.place, message, hint or f"{pipeline.file} declares no outputs")
        elif check.what == "holds":
            check_names_at_end(pipeline, check.wanted, self.report, reader.origins)

    def _no_step(self, place: Place, name: str, known: Mapping[str, bool], pipeline: Pipeline) -> None:
        hint = suggest(name, known)
        self.report.problem(place, f"there is no step {name[:60]!r} in {pipeline.file}", hint)


def beside_of(path: Path) -> Path | None:
    """Return the pipeline that a case file stands beside: ``review.yaml`` for ``review.cases.yaml``."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            stem = path.name.removesuffix(suffix)
            names = (f"{stem}.yaml", f"{stem}.yml", f"{stem}.aexl.yaml", f"{stem}.ail.yaml")
            return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
    return None


def without_turns(name: str) -> str:
    """Return a step's address as a path: ``loop::fix`` for ``loop#2::fix``."""
    parts = []
    for part in name.split("::"):
        head, _, turn = part.rpartition("#")
        parts.append(head if head and turn.isdecimal() else part)
    return "::".join(parts)


def is_known(name: str, known: Mapping[str, bool]) -> bool:
    """Say whether a step may have this name; below a call whose pipeline is known only when it runs, any may be."""
    if name in known or without_turns(name) in known:
        return True
    parts = name.split("/")
    return any(
        not known.get("/".join(without_turns(part) for part in parts[:count]), True) for count in range(1, len(parts))
    )


def step_names(pipeline: Pipeline, loaded: Loaded) -> dict[str, bool]:
    """Return the names of all steps, those of called pipelines behind a slash; false where it is not known what is called."""
    found: dict[str, bool] = {}

    def add(steps: tuple[Step, ...], of: Pipeline, prefix: str, depth: int) -> None:
        for name in names_at_end(msgspec.structs.replace(of, steps=steps)):
            found.setdefault(prefix + name, True)
        for step, suffix, target in _calls(steps):
            called = _called(target, of, loaded)
            if called is None or depth >= _DEEPEST:
                found[f"{prefix}{step.path}{suffix}"] = False
            else:
                add(called[1], called[0], f"{prefix}{step.path}{suffix}/", depth + 1)

    add(pipeline.steps, pipeline, "", 0)
    return found


def _calls(steps: tuple[Step, ...]) -> Iterator[tuple[Step, str, PipelineTarget]]:
    for step in steps:
        if isinstance(step.body, PipelineBody):
            yield step, "", step.body.target
        for branch in step.on_result:
            if branch.pipeline is not None:
                yield step, "__on_result", branch.pipeline
        inner = step.body.steps if isinstance(step.body, DoWhileBody | ForEachBody) else ()
        for listed in (step.before, inner, step.then):
            yield from _calls(listed)


def _called(target: PipelineTarget, of: Pipeline, loaded: Loaded) -> tuple[Pipeline, tuple[Step, ...]] | None:
    if target.name is not None:
        return of, of.pipelines.get(target.name, ())
    child = loaded.child(target.file) if target.file is not None else None
    return None if child is None else (child, child.steps)


def _combinations(setup: Setup, overrides: Overrides) -> Iterator[tuple[str, str, str | None]]:
    """Yield each combination of a matrix, with what it is called."""
    matrix = setup.matrix or Matrix()
    default = setup.runner or (DECLARED if setup.tape is not None else STUB)
    runners = overrides.runners or matrix.runners or (default,)
    models = overrides.models or matrix.models or (setup.model,)
    for runner in runners:
        for model in models:
            parts = [f"runner={runner}"] if len(runners) > 1 else []
            parts += [f"model={model}"] if len(models) > 1 else []
            yield ", ".join(parts), runner.strip().lower(), model
