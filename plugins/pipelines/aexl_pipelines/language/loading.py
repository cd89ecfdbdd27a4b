"""From a file to a pipeline: read, inherit, check; every problem at once, each with its place.

What lies outside of the file (other files, the web, snapshots) is reached through
``Files``; nothing here waits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from aexl.errors import AexlError
from aexl_pipelines.language.checking import check_pipeline
from aexl_pipelines.language.discovery import DEFAULT_NAMES
from aexl_pipelines.language.inheritance import inherit, without_hooks
from aexl_pipelines.language.kinds import Text
from aexl_pipelines.language.model import Pipeline, Step
from aexl_pipelines.language.naming import with_paths
from aexl_pipelines.language.problems import InvalidPipeline, Place, Problem, Report
from aexl_pipelines.language.reader import Files, Reader, Recorder, Runners, is_ail
from aexl_pipelines.language.reading import LARGEST, read_yaml
from aexl_pipelines.language.skills import SkillFinder
from aexl_pipelines.language.source import AnyNode, Fields, Node, Scalar, Source
from aexl_pipelines.language.vocabulary.files import FILE
from aexl_pipelines.language.vocabulary.steps import STEPS

DEEPEST: Final = 16
"""Files that inherit one another, and pipelines that call one another."""
_WEB: Final = re.compile(r"https://\S+")
_HASH: Final = re.compile(r"#(?:sha256=)?([0-9a-f]{64})$")
_SNAPSHOT: Final = re.compile(r"snapshot:([0-9a-f]{64})(?:/(.+))?")

_RELATIVE: Final = "a path is relative to the file that it stands in"

StepTypes = Mapping[str, Callable[[Mapping[str, object]], object]]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What came of loading a file.

    Attributes:
        pipeline: ``None`` if there are problems.
        tree: The resolved tree, which ``writing`` prints; ``None`` if the file is no mapping.
        paths: The nodes of the tree that are paths, and what they lead to.
        spelled: The nodes of ail's files that are spelled otherwise in aexl's.
        children: The file itself and those that steps call, each loaded; their problems are among these.
        layers: The files that it was made of, the base last.
        sources: Every text that was read for it, by path or address: with ``reader.Recorder`` it loads again
            whatever has become of the files.
    """

    pipeline: Pipeline | None
    tree: Fields | None
    paths: Mapping[Node, Path]
    spelled: Mapping[Node, str]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    dropped: int = 0
    children: Mapping[Path, Pipeline] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def child(self, file: str) -> Pipeline | None:
        """Return the pipeline of a ``PipelineTarget.file``; ``None`` for a path that was not known when this was loaded."""
        return self.children.get(_canonical(Path(file)))

    def unwrap(self) -> Pipeline:
        """Return the pipeline.

        Raises:
            InvalidPipeline: If there are problems; names every one.
        """
        if self.pipeline is None:
            raise InvalidPipeline(self.problems, self.dropped)
        return self.pipeline


def load_file(
    path: Path,
    files: Files,
    finder: SkillFinder | None = None,
    step_types: StepTypes | None = None,
    runners: Runners | None = None,
) -> Loaded:
    """Return the pipeline of a file, or every problem of it and of the files that it names.

    Args:
        step_types: What ``use:`` may name; ``None`` where that is not known.
        runners: What ``runner:`` may name; likewise.
    """
    loader = _Loader(files, finder or SkillFinder(), step_types, runners)
    source = loader.open(path, Place(files.name_of(path), 1, 1))
    return loader.finish(source)


def load_source(
    source: Source,
    files: Files,
    finder: SkillFinder | None = None,
    step_types: StepTypes | None = None,
    runners: Runners | None = None,
) -> Loaded:
    """Return the pipeline of a text; see ``load_file``. Without a path, its own text is the source ``""``."""
    loaded = _Loader(files, finder or SkillFinder(), step_types, runners).finish(source)
    name = str(source.path) if source.path is not None else ""
    return replace(loaded, sources={name: source.text, **loaded.sources})


class _Loader:
    def __init__(
        self, files: Files, finder: SkillFinder, step_types: StepTypes | None, runners: Runners | None
    ) -> None:
        self._files = Recorder(files)
        self._finder = finder
        self._step_types = step_types
        self._runners = runners
        self._report = Report()
        self._paths: dict[Node, Path] = {}
        self._spelled: dict[Node, str] = {}
        self._children: dict[Path, Pipeline] = {}
        self._seen: set[Path] = set()
        self._layers: list[str] = []
        self._orphans: set[Fields] = set()

    def open(self, path: Path, place: Place, *, ail: bool = False) -> Source | None:
        """Return a file's text; one that an ail file names is an ail file, unless it says otherwise."""
        try:
            text = self._files.read(path, LARGEST)
        except AexlError as error:
            self._report.problem(place, str(error), _RELATIVE, "config/file-not-found")
            return None
        is_own = path.name == ".aexl.yaml" or ".aexl" in path.parent.parts or path.name.endswith(".aexl.yaml")
        foreign = is_ail(path) or (ail and not is_own)
        return Source(self._files.name_of(path), text, path.parent, path, "ail" if foreign else "aexl")

    def finish(self, source: Source | None) -> Loaded:
        pipeline, tree = self._load(source, ()) if source is not None else (None, None)
        problems = self._report.problems
        return Loaded(
            pipeline=None if problems else pipeline,
            tree=tree,
            paths=self._paths,
            spelled=self._spelled,
            problems=problems,
            notes=self._report.notes,
            dropped=self._report.dropped,
            children={} if problems else self._children,
            layers=tuple(self._layers),
            sources=self._files.sources,
        )

    def _load(self, source: Source, trail: tuple[Path, ...]) -> tuple[Pipeline | None, Fields | None]:
        if source.path is not None:
            self._seen.add(_canonical(source.path))
        tree = self._resolve(source, (), [] if trail else self._layers)
        if tree is None:
            return None, None
        reader = self._reader(tree)
        pipeline = FILE.read(tree, "the file", reader)
        if tree in self._orphans:  # what it inherits is not known, so nothing can be said of the whole
            return None, tree
        if "pipeline" not in tree.values:
            self._report.problem(source.place(), "the file has no 'pipeline:'", "write 'pipeline:' and its steps")
        if not isinstance(pipeline, Pipeline):
            return None, tree
        pipeline = msgspec.structs.replace(
            pipeline,
            steps=with_paths(pipeline.steps),
            pipelines={name: with_paths(steps) for name, steps in pipeline.pipelines.items()},
            file=source.name,
            folder=str(source.folder) if source.folder is not None else None,
        )
        check_pipeline(pipeline, self._report, reader.origins)
        if source.path is not None:
            self._children[_canonical(source.path)] = pipeline
        self._load_children(reader, source, trail)
        return pipeline, tree

    def _reader(self, tree: Fields) -> Reader:
        named = tree.values.get("pipelines")
        return Reader(
            report=self._report,
            files=self._files,
            finder=self._finder,
            named=tuple(named.values) if isinstance(named, Fields) else (),
            texts=self._paths,
            spelled=self._spelled,
            steps_of=self._loop_steps,
            step_types=self._step_types,
            runners=self._runners,
        )

    def _load_children(self, reader: Reader, source: Source, trail: tuple[Path, ...]) -> None:
        """Load the files that steps call, each once; one that calls its caller is no error, for it may stop."""
        own = (*trail, source.path) if source.path is not None else trail
        for path, place in reader.children.items():
            if _canonical(path) in self._seen or len(own) > DEEPEST:
                continue
            child = self.open(path, place, ail=source.dialect == "ail")
            if child is not None:
                self._load(child, own)

    def _loop_steps(self, path: Path, place: Place, reader: Reader) -> tuple[Step, ...]:
        """Return the steps of the file that is a loop's body."""
        if reader.loops > 2 * 8:  # a body that is its own body; the depth was reported
            return ()
        source = self.open(path, place)
        tree = self._resolve(source, (), []) if source is not None else None
        steps = tree.values.get("pipeline") if tree is not None else None
        if tree is None or steps is None:
            if tree is not None and tree not in self._orphans:
                self._report.problem(tree.place, "the file has no 'pipeline:'", "write 'pipeline:' and its steps")
            return ()
        found = STEPS.read(steps, "pipeline", reader)
        return tuple(step for step in found if isinstance(step, Step)) if isinstance(found, tuple) else ()

    def _resolve(self, source: Source, trail: tuple[str, ...], layers: list[str]) -> Fields | None:
        """Return a file's tree with all that it inherits; the names of the files are added to ``layers``."""
        layers.append(source.name)
        tree = read_yaml(source, self._report)
        if tree is None:
            return None
        if not isinstance(tree, Fields):
            self._report.problem(tree.place, "a pipeline file is a mapping", "write 'pipeline:' and below it the steps")
            return None
        given = tree.values.get("FROM")
        if given is None:
            return tree
        base = self._base(given, (*trail, _identity(source)), layers)
        if base is not None and base not in self._orphans:
            return inherit(base, tree, self._report)
        orphan = without_hooks(tree)
        self._orphans.add(orphan)
        return orphan

    def _base(self, given: AnyNode, trail: tuple[str, ...], layers: list[str]) -> Fields | None:
        text = Text().read(given, "FROM", Reader(report=self._report, files=self._files, finder=self._finder))
        if not isinstance(text, str) or not isinstance(given, Scalar):
            return None
        try:
            source = self._base_source(given, text.strip())
        except AexlError as error:
            self._report.problem(given.place, str(error), _RELATIVE, "config/file-not-found")
            return None
        if source is None:
            return None
        if _identity(source) in trail:
            names = " -> ".join([*trail[trail.index(_identity(source)) :], _identity(source)])
            self._report.problem(
                given.place,
                f"the files inherit one another in a circle: {names}",
                "take one FROM out",
                "config/circular-inheritance",
            )
            return None
        if len(trail) > DEEPEST:
            self._report.problem(given.place, f"more than {DEEPEST} files inherit one another", "join some of them")
            return None
        return self._resolve(source, trail, layers)

    def _base_source(self, given: Scalar, text: str) -> Source | None:
        if _WEB.fullmatch(text):
            found = _HASH.search(text)
            if found is None:
                self._report.problem(
                    given.place, "a base from the web must be pinned", f"write {text[:200]}#sha256=HASH"
                )
                return None
            address = text[: found.start()]
            return Source(address, self._files.fetch(address, found[1]))
        if text.startswith("http:"):
            self._report.problem(given.place, "a base from the web needs https", "write https://...#sha256=HASH")
            return None
        if text.startswith("snapshot:"):
            return self._from_snapshot(given, text)
        reader = Reader(report=self._report, files=self._files, finder=self._finder)
        path = reader.path(given, text)
        return self.open(path, given.place, ail=given.source.dialect == "ail") if path is not None else None

    def _from_snapshot(self, given: Scalar, text: str) -> Source | None:
        found = _SNAPSHOT.fullmatch(text)
        if found is None or ".." in Path(found[2] or "").parts or (found[2] or "").startswith("/"):
            self._report.problem(
                given.place,
                f"{text[:100]!r} names no snapshot",
                "write snapshot:ID or snapshot:ID/PATH, with the whole id",
            )
            return None
        folder = self._files.snapshot(found[1])
        names = [found[2]] if found[2] else DEFAULT_NAMES
        path = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
        source = self.open(path, given.place)
        if source is None:
            return None
        name = f"snapshot:{found[1][:12]}/{path.relative_to(folder).as_posix()}"
        return Source(name, source.text, source.folder, source.path, source.dialect)


def _identity(source: Source) -> str:
    return str(_canonical(source.path)) if source.path is not None else source.name


def _canonical(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null character: it will not be read either
        return path
