"""An expression in words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from aexl_pipelines.language.answers import whole_text
from aexl_pipelines.language.expressions.errors import ExpressionError

LONGEST: Final = 10_000
"""Characters of an expression."""

Kind = Literal["name", "number", "text", "pattern", "mark", "word", "end"]

WORDS: Final = frozenset(
    [
        "and",
        "or",
        "not",
        "in",
        "is",
        "empty",
        "matches",
        "contains",
        "starts_with",
        "ends_with",
        "true",
        "false",
        "null",
        "always",
        "never",
        "if_code_changed",
        "if_last_response_empty",
    ]
)
_PART: Final = r"\w+(?:-+\w+|::\w+)*"
_INDEX: Final = r"\[\s*(?:\d+|\"(?:[^\"\\]|\\.)*\"|'[^']*')\s*\]"
_TOKEN: Final = re.compile(
    r"\s*(?:"
    r"(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))"
    rf"|(?P<name>[^\W\d]\w*(?:-+\w+|::\w+)*(?:\.{_PART}|{_INDEX})*)"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<pattern>/(?:[^/\\\n]|\\.)+/\w*)"
    r"|(?P<braces>\{\{(?P<inner>[^{}]*)\}\})"
    r"|(?P<mark>==|!=|<=|>=|[<>()\[\],])"
    r")",
    re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_HINTS: Final = {
    "=": "write == to compare",
    "&": "write and",
    "|": "write or",
    "!": "write not",
    "'": "the text has no closing quote",
    '"': "the text has no closing quote",
    "/": "a pattern stands between slashes, as in /FAIL/i",
    "{": "a name needs no braces here",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One word of an expression, and where it begins."""

    kind: Kind
    text: str
    offset: int


def split(text: str) -> list[Token]:
    """Return the words of an expression, with an ``end`` after the last.

    Raises:
        ExpressionError: At what is no word.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has more than {LONGEST} characters", 0, "make two steps of it")
    tokens: list[Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(
                f"{text[start : start + 20]!r} is not understood",
                start,
                _HINTS.get(text[start], "put texts into quotes"),
            )
        tokens.append(_token(found))
        at = found.end()
    return [*tokens, Token("end", "", end)]


def _token(found: re.Match[str]) -> Token:
    if found["inner"] is not None:  # {{ name }} is the name
        inner = found["inner"]
        return Token("name", inner.strip(), found.start("inner") + len(inner) - len(inner.lstrip()))
    for kind in ("number", "text", "pattern", "mark"):
        if found[kind] is not None:
            return Token(kind, found[kind], found.start(kind))
    name = found["name"]
    return Token("word" if name in WORDS else "name", name, found.start("name"))


def unquote(token: Token) -> str:
    """Return what a quoted text says.

    Raises:
        ExpressionError: At an escape that means nothing.
    """

    def replace(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if code in _ESCAPES:
            return _ESCAPES[code]
        if code in "\\'\"/":
            return code
        offset = token.offset + 1 + found.start()
        raise ExpressionError(f"the escape \\{code} means nothing", offset, "write \\\\ for a backslash")

    return whole_text(re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, token.text[1:-1], flags=re.DOTALL))
