"""Patterns that people write: matched in linear time, whatever they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from aexl_pipelines.language.answers import whole_text
from aexl_pipelines.language.expressions.errors import ExpressionError

FLAGS: Final = "ims"
LONGEST: Final = 2_000
"""Characters of a pattern; re2 takes what it compiles to up to a mebibyte."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in RE2's syntax: no look-around, no back-references, no slow cases."""

    source: str
    flags: str = ""
    offset: int = field(default=0, compare=False)

    def found_in(self, text: str) -> bool:
        """Say whether it matches somewhere in a text."""
        return _compiled(self.source, self.flags).search(whole_text(text)) is not None

    def __str__(self) -> str:
        return f"/{self.source}/{self.flags}"


@lru_cache(maxsize=256)
def _compiled(source: str, flags: str) -> Any:
    import re2  # type: ignore[import-untyped]  # the package has no types

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(f"(?{flags}){source}" if flags else source, options)


def compile_pattern(source: str, flags: str, offset: int) -> Pattern:
    """Return a pattern that is known to compile.

    Raises:
        ExpressionError: If it does not; says why.
    """
    import re2

    for flag in flags:
        if flag not in FLAGS:
            raise ExpressionError(f"the flag {flag!r} is not supported", offset, "the flags are i, m and s")
    if len(source) > LONGEST:
        raise ExpressionError(f"the pattern has more than {LONGEST} characters", offset, "shorten it")
    try:
        _compiled(source, "".join(sorted(set(flags))))
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        hint = "look-around and back-references are not supported" if "(?" in text or "escape" in text else ""
        raise ExpressionError(f"the pattern failed to compile: {text}", offset, hint) from error
    except UnicodeEncodeError as error:
        raise ExpressionError(
            "the pattern failed to compile: it is not Unicode", offset, "write the characters themselves"
        ) from error
    return Pattern(source, "".join(sorted(set(flags))), offset)


def read_literal(text: str, offset: int) -> Pattern:
    """Return the pattern of ``/source/flags``; the last unescaped slash ends it, so that slashes within need nothing.

    Raises:
        ExpressionError: If it is not of that form, or does not compile.
    """
    if not text.startswith("/"):
        raise ExpressionError(f"{text[:60]!r} is no pattern", offset, "write it between slashes, as in /FAIL(ED)?/i")
    end = text.rfind("/")
    while end > 0 and _is_escaped(text, end):
        end = text.rfind("/", 0, end)
    if end <= 0:
        raise ExpressionError(f"the pattern {text[:60]!r} has no closing slash", offset, "write /pattern/flags")
    if end == 1:
        raise ExpressionError("the pattern is empty", offset, "write /pattern/flags")
    return compile_pattern(text[1:end], text[end + 1 :], offset)


def _is_escaped(text: str, at: int) -> bool:
    slashes = 0
    while at - slashes > 0 and text[at - slashes - 1] == "\\":
        slashes += 1
    return slashes % 2 == 1
