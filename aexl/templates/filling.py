"""From a plugin's name to the files of its project. Pure, but for reading the templates.

A template is a text with names between at signs, as in ``@package@``. Names of files
and what they are made of stand in the tables below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal

from aexl import __version__
from aexl.errors import Invalid

Kind = Literal["provider", "admission", "page"]

LONGEST_NAME: Final = 24

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACE: Final = re.compile(r"@(\w+)@")

_COMMON: Final[Mapping[str, str]] = {
    ".gitignore": "gitignore.in",
    "Makefile": "Makefile.in",
    "README.md": "README.md.in",
    "local.mk": "local.mk.in",
    "pyproject.toml": "pyproject.toml.in",
    "@package@/__init__.py": "init.py.in",
}
_OF_ITS_KIND: Final[Mapping[str, str]] = {
    "@package@/plugin.py": "plugin.py.in",
    "@package@/@module@.py": "module.py.in",
    "tests/test_@module@.py": "test.py.in",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What projects of one kind differ in; ``word`` is what a plugin of the kind is called in a sentence."""

    word: str
    module: str
    summary: str
    subject: str
    dependencies: tuple[str, ...]


_SHAPES: Final[Mapping[Kind, _Shape]] = {
    "provider": _Shape(
        word="provider",
        module="provider",
        summary="A model for aexl that greets whoever asks.",
        subject="a provider type, the providers it builds, and their answers",
        dependencies=("msgspec", "trio"),
    ),
    "admission": _Shape(
        word="gate",
        module="gate",
        summary="A gate for aexl that refuses requests which are too long.",
        subject="the gate, and its table in `aexl.toml`",
        dependencies=("msgspec",),
    ),
    "page": _Shape(
        word="mount",
        module="page",
        summary="A page that aexl serves.",
        subject="the ASGI application",
        dependencies=("starlette",),
    ),
}
KINDS: Final = tuple(_SHAPES)


def check_name(name: str) -> None:
    """Refuse what cannot be a plugin's name.

    Raises:
        Invalid: If it is not lower-case words joined by hyphens, of at most ``LONGEST_NAME`` characters.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Invalid(
            f"{name!r} cannot be a plugin's name: lower-case words joined by hyphens, at most {LONGEST_NAME} characters"
        )
    if name == "aexl" or name.startswith("aexl-"):
        raise Invalid(f"{name!r} would be the distribution 'aexl-{name}'; leave the first 'aexl' out")


def fill(name: str, kind: Kind, aexl: str) -> dict[str, str]:
    """Return the files of a new project, by their path in its folder.

    Args:
        aexl: How a makefile calls the aexl that makes the project.

    Raises:
        Invalid: If the name is not acceptable.
    """
    check_name(name)
    shape = _SHAPES[kind]
    words = {
        "name": name,
        "package": f"aexl_{name.replace('-', '_')}",
        "Class": "".join(word.capitalize() for word in name.split("-")),
        "module": shape.module,
        "kind": shape.word,
        "summary": shape.summary,
        "subject": shape.subject,
        "dependencies": ", ".join(f'"{one}"' for one in (f"aexl>={__version__}", *shape.dependencies)),
        "aexl": aexl,
    }
    words["configuration"] = _put(_read(f"{kind}/configuration.in"), words).rstrip("\n")
    found = {**_COMMON, **{path: f"{kind}/{template}" for path, template in _OF_ITS_KIND.items()}}
    return {_put(path, words): _put(_read(template), words) for path, template in found.items()}


def _read(template: str) -> str:
    return files("aexl.templates").joinpath("plugin", template).read_text("utf-8")


def _put(text: str, words: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: words[place[1]], text)
