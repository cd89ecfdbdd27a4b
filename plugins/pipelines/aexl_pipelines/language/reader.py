"""What the kinds of values need while a file is read: where to complain, and what is beside the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeAlias, TypeVar

from aexl_pipelines.language.expressions.errors import ExpressionError
from aexl_pipelines.language.model import Step
from aexl_pipelines.language.problems import Code, Place, Report
from aexl_pipelines.language.skills import FILE, Skill, SkillFinder, read_skill
from aexl_pipelines.language.source import AnyNode, Dialect, Node, Scalar, Source

T = TypeVar("T")
Runners: TypeAlias = Mapping[str, object]
"""Runners by name; what they are does not matter here."""

PATH_BEGINNINGS: Final = ("./", "../", "~/", "/")
LARGEST_TEXT: Final = 1 << 20
"""Bytes of a prompt file, a skill or a schema."""
DEEPEST_LOOPS: Final = 8


class Files(Protocol):
    """The way out of pure logic: what a pipeline file may name, read by whoever loads it.

    All of these raise an ``AexlError`` with a sentence where something is not to be had.
    """

    @property
    def home(self) -> Path:
        """What ``~`` stands for."""
        ...

    def read(self, path: Path, limit: int) -> str:
        """Return a file's text; more bytes than ``limit``, or bytes that are not UTF-8, are an error."""
        ...

    def name_of(self, path: Path) -> str:
        """Return what people call a file: its path from the current folder, where it is below it."""
        ...

    def fetch(self, url: str, sha256: str) -> str:
        """Return the text behind an ``https`` address, whose bytes have this hash."""
        ...

    def snapshot(self, id: str) -> Path:
        """Return a folder with the files of a snapshot."""
        ...


class Recorder:
    """``Files`` that remember every text that was read through them, by path or address.

    Args:
        files: Where texts come from.
        known: What is not read there, because it is known.
    """

    def __init__(self, files: Files, known: Mapping[str, str] | None = None) -> None:
        self.sources: dict[str, str] = {}
        self._files = files
        self._known = known or {}

    @property
    def home(self) -> Path:
        """What ``~`` stands for."""
        return self._files.home

    def read(self, path: Path, limit: int) -> str:
        """Return a file's text."""
        return self._keep(str(path), lambda: self._files.read(path, limit))

    def name_of(self, path: Path) -> str:
        """Return what people call a file."""
        return self._files.name_of(path)

    def fetch(self, url: str, sha256: str) -> str:
        """Return the text behind an address."""
        return self._keep(f"{url}#sha256={sha256}", lambda: self._files.fetch(url, sha256))

    def snapshot(self, id: str) -> Path:
        """Return a folder with the files of a snapshot."""
        return self._files.snapshot(id)

    def _keep(self, name: str, read: Callable[[], str]) -> str:
        text = self._known.get(name)
        self.sources[name] = text if text is not None else read()
        return self.sources[name]


@dataclass(kw_only=True)
class Reader:
    """The reading of one pipeline and of the files that belong to it.

    Attributes:
        named: The pipelines that ``pipelines:`` has, by name.
        texts: Nodes that are paths, and the path that each stands for: what is written
            elsewhere has to say them anew.
        spelled: Texts of ail's files that are spelled otherwise in aexl's.
        steps_of: Reads the steps of a loop's ``pipeline:``.
        step_types: What checks the arguments of ``use:``, by name; ``None`` where that is not known.
        runners: What ``runner:`` may name; likewise.
    """

    report: Report
    files: Files
    finder: SkillFinder
    named: Sequence[str] = ()
    texts: dict[Node, Path] = field(default_factory=dict)
    spelled: dict[Node, str] = field(default_factory=dict)
    children: dict[Path, Place] = field(default_factory=dict)
    steps_of: Callable[[Path, Place, Reader], tuple[Step, ...]] | None = None
    step_types: Mapping[str, Callable[[Mapping[str, object]], object]] | None = None
    runners: Runners | None = None
    loops: int = 0
    origins: dict[int, tuple[object, Callable[[int], Place]]] = field(default_factory=dict)

    def keep(self, value: T, place_of: Callable[[int], Place]) -> T:
        """Remember where the characters of a template, a condition or an expression stand."""
        self.origins[id(value)] = value, place_of
        return value

    def problem(self, node: Node, message: str, suggestion: str = "", code: Code = "config/validation-failed") -> None:
        """Report what is wrong with a node."""
        self.report.problem(node.place, message, suggestion, code)

    @contextmanager
    def in_loop(self, node: Node) -> Iterator[None]:
        """Count loops within loops."""
        self.loops += 1
        if self.loops == DEEPEST_LOOPS + 1:
            message = f"loops are nested more than {DEEPEST_LOOPS} deep"
            self.problem(node, message, "put the inner ones into a pipeline of its own", "loop/depth-exceeded")
        try:
            yield
        finally:
            self.loops -= 1

    def parse(self, node: Scalar, parse: Callable[[str], T], code: Code, *, text: str | None = None) -> T | None:
        """Return what a parser of expressions makes of a text; what it objects to is reported at its place."""
        try:
            return parse(node.text if text is None else text)
        except ExpressionError as error:
            self.report.problem(node.place_of(error.offset), error.message, error.suggestion, code)
        return None

    def path(self, node: Scalar, text: str | None = None) -> Path | None:
        """Return the path that a text stands for, from the folder of the file that it stands in."""
        return self.path_in(node.source, node.text if text is None else text, node.place)

    def path_in(self, source: Source, text: str, place: Place) -> Path | None:
        """Return the path that a text in a file stands for, or ``None`` after having reported that it has none."""
        if text.startswith("~/"):
            return self.files.home / text[2:]
        if text.startswith("/"):
            return Path(text)
        if source.folder is None:
            message = f"the path {text[:80]!r} leads nowhere: {source.name} is in no folder"
            self.report.problem(place, message, "write the text itself here", "config/file-not-found")
            return None
        return source.folder / text

    def text_of(self, node: Scalar, path: Path) -> Source | None:
        """Return a file that a node names, or ``None`` after having reported why it cannot be read."""
        found = self.source(path, node.place, node.source.dialect)
        if found is not None:
            self.texts[node] = path
        return found

    def source(self, path: Path, place: Place, dialect: Dialect = "aexl") -> Source | None:
        """Return a file; see ``text_of``."""
        from aexl.errors import AexlError

        try:
            text = self.files.read(path, LARGEST_TEXT)
        except AexlError as error:
            self.report.problem(
                place, str(error), "a path is relative to the file that it stands in", "config/file-not-found"
            )
            return None
        return Source(self.files.name_of(path), text, path.parent, path, dialect)

    def skill(self, node: Scalar) -> Skill | None:
        """Return the skill that a node names: by a path to its folder or file, a built-in name, or one that is found."""
        from aexl_pipelines.language.builtin_skills import BUILT_IN, built_in

        name = node.text.strip()
        path: Path | None = None
        if name.startswith(PATH_BEGINNINGS) or name in {".", ".."}:
            path = self.path(node, name)
            if path is None:
                return None
            self.texts[node] = path
        else:
            found = built_in(name)
            path = self.finder.find(name) if found is None and "/" not in name else None
            if found is not None:
                return found
        if path is None:
            hint = self.finder.suggest(name, list(BUILT_IN))
            self.problem(node, f"there is no skill {name[:80]!r}", hint, "skill/unknown")
            return None
        source = self.source(path if path.name == FILE else path / FILE, node.place)
        return read_skill(source, self.report) if source is not None else None


def is_ail(path: Path) -> bool:
    """Say whether a file is one of ail's, by its name or the folder that it is in."""
    return path.name.endswith(".ail.yaml") or path.name in {".ail.yaml", ".ail.yml"} or ".ail" in path.parent.parts


def kind_error(reader: Reader, node: AnyNode, name: str, wanted: str, hint: str = "") -> None:
    """Report a value of the wrong kind.

    Args:
        hint: What to write instead; by default what the shape of the value suggests.
    """
    from aexl_pipelines.language.source import describe

    reader.problem(node, f"{name} must be {wanted}, not {describe(node)}", hint or _shape_hint(node, name, wanted))


def _shape_hint(node: AnyNode, name: str, wanted: str) -> str:
    """Return what to write where a list stands for a text, a text for a mapping, and so on."""
    word = name.rpartition(".")[2]
    if isinstance(node, Scalar) and node.value is None:
        return f"give it a value, or leave {word!r} out"
    if wanted.startswith("a list"):
        return f"write '{word}:' and below it each entry behind '- '"
    if "mapping" in wanted:
        return f"write '{word}:' and below it a key and its value on each line"
    return f"give {word!r} another value" if isinstance(node, Scalar) else "write it as one text, in quotes"
