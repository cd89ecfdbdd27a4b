"""Reading the configuration: flag, ``AEXL_*`` variable, project file, home file, default, in this order.

All problems are reported at once. A project's own ``aexl.toml`` comes with a
clone, so it may set only sections that say so (``ConfigSection.project``).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from aexl.api import ConfigSection
from aexl.api.tables import merge
from aexl.core.config.positions import find_line
from aexl.core.config.sections import check_table, field_types, suggestion
from aexl.core.home import FILE_NAME
from aexl.errors import ConfigError, Problem

T = TypeVar("T")

RESERVED_VARIABLES: Final = frozenset({"AEXL_HOME", "AEXL_TOKEN", "AEXL_BASE_URL", "AEXL_TREE"})
"""Variables that are no settings: where the home is, and what ``aexl run`` gives to programs."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of values, with its text where it is a file, for line numbers."""

    name: str
    table: Mapping[str, object]
    text: str = ""
    project: bool = False


class LoadedConfig:
    """A checked configuration; see ``aexl.api.Config``.

    Attributes:
        digest: SHA-256 of the merged values in canonical JSON, hexadecimal.
        values: The merged values, as ``aexl config list`` shows them.
        secrets: See ``aexl.api.Config``.
    """

    def __init__(
        self,
        sections: Mapping[type[object], object],
        mappings: Mapping[type[object], Mapping[str, object]],
        values: Mapping[str, object],
        layers: Sequence[Layer] = (),
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self._sections = dict(sections)
        self._mappings = dict(mappings)
        self._layers = layers
        self.values = values
        self.secrets = secrets
        canonical = msgspec.json.encode(values, order="sorted", enc_hook=str)
        self.digest = hashlib.sha256(canonical).hexdigest()

    def section(self, model: type[T]) -> T:
        """Return a declared section; its defaults where nobody declared it."""
        found = self._sections.get(model)
        return found if isinstance(found, model) else model()

    def mapping(self, model: type[T]) -> Mapping[str, T]:
        """Return a keyed section."""
        return self._mappings.get(model, {})  # type: ignore[return-value]  # filled with instances of the key

    def locate(self, error: ConfigError) -> ConfigError:
        """Return the error with file and line for each problem that a plugin found in these values."""
        check = _Check(self._layers)
        for problem in error.problems:
            if problem.source:
                check.problems.append(problem)
            else:
                check.report(_split_key(problem.key, self.values), problem.message)
        return ConfigError(check.problems)


def read_layer(path: Path, *, text: str | None = None, project: bool = False) -> Layer | None:
    """Return a file's values, or ``None`` if there is no such file.

    Args:
        text: What to read in place of what the file has.

    Raises:
        ConfigError: If the file cannot be read or is not TOML; says where.
    """
    try:
        text = path.read_text(encoding="utf-8") if text is None else text
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(key="file", message=f"cannot be read: {error}", source=str(path))]) from error
    try:
        return Layer(str(path), tomllib.loads(text), text, project)
    except tomllib.TOMLDecodeError as error:
        line, message = _decode_position(str(error), text)
        raise ConfigError([Problem(key="syntax", message=message, source=str(path), line=line)]) from error


def _decode_position(message: str, document: str) -> tuple[int | None, str]:
    """Take the place out of one of ``tomllib``'s messages; the end of the document is its last line with anything in it."""
    said, _, place = message.rpartition(" (at ")
    if place == "end of document)":
        return len(document.rstrip().splitlines()), said
    number = place.removeprefix("line ").partition(",")[0]
    return (int(number), said) if said and number.isdigit() else (None, message)


def environment_layer(environ: Mapping[str, str], sections: Sequence[ConfigSection]) -> Layer:
    """Return what ``AEXL_<TABLE>_<KEY>`` variables set; values are read as TOML, else taken as text."""
    table: dict[str, dict[str, object]] = {}
    names = {
        f"AEXL_{section.table}_{key}".upper().replace("-", "_"): (section.table, key)
        for section in sections
        if not section.keyed
        for key in field_types(section.model)
    }
    for variable, value in environ.items():
        if not variable.startswith("AEXL_") or variable in RESERVED_VARIABLES or variable not in names:
            continue
        name, key = names[variable]
        table.setdefault(name, {})[key] = parse_value(value)
    return Layer("environment", table)


def parse_value(text: str) -> object:
    """Return a TOML value for text from a flag or a variable; text that is no TOML value is itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


@dataclass(slots=True)
class _Check:
    layers: Sequence[Layer]
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: tuple[str, ...], message: str) -> None:
        """Blame the strongest layer that sets the value, with its line."""
        layer = next((layer for layer in self.layers if _sets(layer.table, path)), None)
        line = find_line(layer.text, path) if layer and layer.text else None
        name = layer.name if layer else ""
        self.problems.append(Problem(key=".".join(path), message=message, source=name, line=line))


def _split_key(key: str, table: object) -> tuple[str, ...]:
    """Take a dotted key apart along the names that exist, which may have dots themselves."""
    if isinstance(table, Mapping):
        for name, below in table.items():
            if key == name or key.startswith(f"{name}."):
                return (name, *_split_key(key[len(name) + 1 :], below))
    return tuple(key.split(".")) if key else ()


def _sets(table: object, path: tuple[str, ...]) -> bool:
    for part in path:
        if isinstance(table, list):
            return True
        if not isinstance(table, Mapping) or part not in table:
            return False
        table = table[part]
    return True


def load_config(
    sections: Sequence[ConfigSection],
    *,
    home: Path,
    project: Path | None,
    environ: Mapping[str, str],
    home_text: str | None = None,
    flags: Mapping[str, object] | None = None,
    complete: bool = True,
) -> LoadedConfig:
    """Read, merge and check everything.

    Args:
        sections: What may be set.
        home: ``AEXL_HOME``; its ``aexl.toml`` need not exist.
        home_text: What to take for the text of that file.
        project: The project's folder, or ``None``; its file must not be the home's.
        flags: Tables set on the command line.
        complete: All plugins are on, so that a table nobody declared is a mistake.

    Raises:
        ConfigError: With every problem of every source.
    """
    files = [read_layer(home / FILE_NAME, text=home_text)]
    if project is not None and (project / FILE_NAME).resolve() != (home / FILE_NAME).resolve():
        files.insert(0, read_layer(project / FILE_NAME, project=True))
    layers = [Layer("command line", flags or {}), environment_layer(environ, sections), *(f for f in files if f)]
    check = _Check(layers)
    known = {section.table: section for section in sections}
    for layer in layers:
        for table in layer.table:
            if table not in known and complete:
                check.report((table,), "is not a known table" + suggestion(table, known))
            elif layer.project and not (table in known and known[table].project):
                check.report((table,), "may not be set by a project's own file; put it into the home's aexl.toml")
    values: dict[str, object] = {}
    for layer in reversed(layers):
        values = merge({key: value for key, value in layer.table.items() if key in known}, values)
    return _build(sections, values, check)


def load_values(sections: Sequence[ConfigSection], values: Mapping[str, object]) -> LoadedConfig:
    """Return the configuration of which another process has read the values (``LoadedConfig.values``).

    Raises:
        ConfigError: If this process's sections cannot have such values.
    """
    known = {section.table for section in sections}
    check = _Check([Layer("the running server", values)])
    return _build(sections, {table: value for table, value in values.items() if table in known}, check)


def read_table(
    name: str, model: type[T], *, home: Path, flags: Mapping[str, object], environ: Mapping[str, str] | None = None
) -> T:
    """Return one section of the home's file, of variables and flags, without knowing the others.

    Raises:
        ConfigError: If the file or the section is wrong.
    """
    variables = environment_layer(environ or {}, [ConfigSection(table=name, model=model)])
    layers = [Layer("command line", flags), variables, *(file for file in [read_layer(home / FILE_NAME)] if file)]
    check = _Check(layers)
    values: dict[str, object] = {}
    for layer in reversed(layers):
        values = merge(layer.table, values)
    section = check_table(values.get(name, {}), model, (name,), check.report)
    if not isinstance(section, model):
        raise ConfigError(check.problems)
    return section


def _build(sections: Sequence[ConfigSection], values: Mapping[str, object], check: _Check) -> LoadedConfig:
    instances: dict[type[object], object] = {}
    mappings: dict[type[object], Mapping[str, object]] = {}
    for section in sections:
        table = values.get(section.table, {})
        path = (section.table,)
        if not section.keyed:
            instances[section.model] = check_table(table, section.model, path, check.report, open_keys=section.open)
            continue
        if not isinstance(table, Mapping):
            check.report(path, f"must be a table of tables, not {type(table).__name__}")
            continue
        mappings[section.model] = {
            name: check_table(entry, section.model, (*path, name), check.report, open_keys=section.open)
            for name, entry in table.items()
        }
    if check.problems:
        raise ConfigError(check.problems)
    return LoadedConfig(instances, mappings, values, check.layers, _secret_variables(sections, values))


def _secret_variables(sections: Sequence[ConfigSection], values: Mapping[str, object]) -> frozenset[str]:
    tables = [(section.variable, values.get(section.table)) for section in sections if section.variable]
    entries = [(key, entry) for key, table in tables if isinstance(table, Mapping) for entry in table.values()]
    return frozenset(str(entry[key]) for key, entry in entries if isinstance(entry, Mapping) and key in entry)
