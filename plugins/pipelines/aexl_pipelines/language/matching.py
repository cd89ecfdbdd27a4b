"""Which branch of ``on_result`` an answer takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from aexl_pipelines.language.answers import decode_answer
from aexl_pipelines.language.conditions import condition_holds
from aexl_pipelines.language.expressions.evaluating import as_text, compare, is_empty, is_equal
from aexl_pipelines.language.expressions.evaluating import holds as expression_holds
from aexl_pipelines.language.expressions.references import look_up_in
from aexl_pipelines.language.model import (
    Always,
    Branch,
    ConditionMatcher,
    ExitCode,
    ExpressionMatcher,
    Matcher,
    Question,
)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a step ended with.

    Attributes:
        answer: The response; of a program what it printed on standard output.
        exit_code: A program's.
        checked_input: The value that ``input_schema`` was held against, where there is one.
    """

    answer: str = ""
    exit_code: int | None = None
    checked_input: object = None


def first_branch(branches: Sequence[Branch], result: Result, values: Mapping[str, object]) -> Branch | None:
    """Return the first branch that fits, or ``None`` for going on.

    Args:
        values: What names in ``expression`` and ``if`` stand for, the step's own entry included.

    Raises:
        Unresolved: If such a name stands for nothing.
        NotComparable: If an order is asked of what has none.
    """
    return next((branch for branch in branches if fits(branch.matcher, result, values)), None)


def fits(matcher: Matcher, result: Result, values: Mapping[str, object]) -> bool:
    """Say whether one matcher fits; see ``first_branch``."""
    match matcher:
        case Always():
            return True
        case ExitCode(code=None):
            return result.exit_code is not None and result.exit_code != 0
        case ExitCode():
            return result.exit_code == matcher.code
        case ConditionMatcher():
            return condition_holds(matcher.condition, values)
        case ExpressionMatcher():
            return expression_holds(matcher.expression, values)
        case Question():
            found, value = _asked(matcher, result)
            return _says_yes(matcher, value) if found else matcher.operand == "is_empty" and matcher.value is True


def _asked(question: Question, result: Result) -> tuple[bool, object]:
    """Return what is asked about, and whether it is there at all."""
    if question.field is None:
        return True, result.answer
    whole = result.checked_input if question.of_input else _json(result.answer)
    return look_up_in(whole, question.field)


def _json(answer: str) -> object:
    try:
        return decode_answer(answer)
    except (ValueError, RecursionError):
        return None


def _says_yes(question: Question, value: object) -> bool:
    match question.operand:
        case "contains" | "starts_with":
            return compare(question.operand, value, question.value)
        case "is_empty":
            return is_empty(value) is question.value
        case "equals":
            return _is_same(value, question.value)
        case "in":
            wanted = question.value if isinstance(question.value, tuple) else ()
            return any(_is_same(value, each) for each in wanted)
        case "matches":
            return question.pattern is not None and question.pattern.found_in(as_text(value))


def _is_same(value: object, wanted: object) -> bool:
    """Compare JSON values; a whole answer that is JSON is compared as such where a text cannot be meant."""
    if isinstance(value, str) and not isinstance(wanted, str):
        return is_equal(value, wanted) or (_json(value) == wanted and wanted is not None)
    return is_equal(value, wanted)
