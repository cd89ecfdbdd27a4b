"""The program that is started in place of a confined one: ``ORDER [--inner] [-m MODULE | --] WORDS…``.

It confines itself as the order says and becomes the program. The environment it was started with is the
program's; it is not in the order, because any user can read a command line.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final, NoReturn

from aexl_runtime.sandbox.entering import enter, finish_inside
from aexl_runtime.sandbox.orders import Order

NAME: Final = "aexl_runtime.sandbox.launch"


def write(order: Order) -> str:
    """Return ``order`` as JSON, without the environment."""
    record = {name: getattr(order, name) for name in Order._fields if name != "env"}
    return json.dumps({name: dict(value) if isinstance(value, dict) else value for name, value in record.items()})


def read(text: str) -> Order:
    """Return the order that ``write`` has written."""
    record: dict[str, Any] = json.loads(text)
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}
    return Order(**values)


def main(arguments: list[str]) -> None:
    """Confine this process and run the program."""
    order = read(arguments[0])
    order = order._replace(env={name: value for name, value in os.environ.items() if name not in order.hidden_env})
    inside = arguments[1] == "--inner"
    program = arguments[2:] if inside else arguments[1:]
    if inside:
        *program, tidings, work = program
        finish_inside(order, int(tidings), work)
    else:
        enter(order, [*order.inner, arguments[0], "--inner", *program])
    _become(program)


def _become(program: list[str]) -> None:
    kind, *rest = program
    if kind == "-m":
        import runpy

        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        _execute(rest)


def _execute(rest: list[str]) -> NoReturn:
    try:
        os.execvp(rest[0], rest)  # noqa: S606  # the program's own words, no shell
    except OSError as error:
        sys.stderr.write(f"aexl: {rest[0]!r} cannot be started: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    main(sys.argv[1:])
