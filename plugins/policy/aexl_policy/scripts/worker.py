"""The process in which policies run. Started by ``PolicyWorker``; standard library only.

It reads a first line with what to load and answers with one line: what is
wrong, or nothing. Then, for each call, it reads a line (the view and the size of
the body), and the body, and answers with one line for each policy, until one
denies. Closing its input ends it. What policies print goes to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, BinaryIO

from aexl_policy.api import make_call
from aexl_policy.scripts.answers import Verdict, clean, places, read_answer

Evaluate = Callable[[object], object]


def main() -> None:
    """Serve until the input ends."""
    questions, answers = _take_streams()
    order = json.loads(questions.readline())
    sys.path += [folder for folder in order["path"] if folder not in sys.path]
    _limit_memory(order["memory"])
    policies: list[tuple[str, Evaluate]] = []
    problems = []
    for source in order["sources"]:
        try:
            policies.append((source["path"], _load(source["name"], source["path"], order["group"])))
        except BaseException as error:  # a policy may raise whatever it likes
            traceback.print_exc()
            problems.append({"name": source["name"], "line": _line(error, source["path"]), "message": _describe(error)})
    _say(answers, {"problems": problems})
    while not problems and (head := questions.readline()):
        question = json.loads(head)
        data = questions.read(question["size"])
        # Should the host die while a policy hangs, the alarm ends the process.
        signal.setitimer(signal.ITIMER_REAL, order["alarm"])
        _evaluate(policies, question["view"], data, question["output_key"], answers)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _evaluate(
    policies: list[tuple[str, Evaluate]], view: dict[str, Any], data: bytes, output_key: str, answers: BinaryIO
) -> None:
    changes: tuple[tuple[tuple[str, ...], object], ...] = ()
    for path, evaluate in policies:
        try:
            answer = evaluate(make_call(view, data, changes))
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: whatever it is, it denies
            traceback.print_exc()
            line = _line(error, path)
            where = f" in line {line}" if line else ""
            # Without the exception's message: it may quote the request, which does not belong into the ledger.
            _say(answers, {"failed": f"it raised {clean(type(error).__name__)}{where}"})
            return
        try:
            verdict = read_answer(answer)
        except ValueError as error:
            _say(answers, {"failed": clean(str(error))})
            return
        _say(answers, {"deny": verdict.deny} if verdict.deny is not None else {"patch": dict(verdict.patch)})
        if verdict.deny is not None:
            return
        changes += tuple(places(verdict.patch, view["surface"], output_key))
        _apply(view, verdict)


def _apply(view: dict[str, Any], verdict: Verdict) -> None:
    view["model"] = verdict.patch.get("model", view["model"])
    view["output_limit"] = verdict.patch.get("max_output_tokens", view["output_limit"])


def _load(name: str, path: str, group: str) -> Evaluate:
    if path:
        module = types.ModuleType(f"aexl_user_policy_{Path(path).stem}")
        module.__file__ = path
        sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up by its name
        exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)  # noqa: S102 - this is what it is for
        found: object = module
    else:
        (point,) = entry_points(group=group, name=name)
        found = point.load()
    evaluate = getattr(found, "evaluate", found if not path else None)
    if not callable(evaluate):
        raise TypeError("there is no function evaluate(call)")
    return evaluate


def _line(error: BaseException, path: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if path and frame.filename == path]
    return lines[-1] if lines else None


def _describe(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return clean(f"{type(error).__name__}: {text}")


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for ourselves: a policy that reads or prints must not break the conversation."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return questions, answers


def _limit_memory(size: int) -> None:
    with contextlib.suppress(ValueError, OSError):  # macOS cannot; a lower limit that is set already stays
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _say(answers: BinaryIO, message: Mapping[str, object]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
