"""Commands that act on a project: the options that name it, written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final

import typer

from aexl_plane.cli.options import PROFILE, PROJECT, URL, WORKSPACE, find_target
from aexl_plane.client.target import Wanted, check_named

_OPTIONS: Final = {"workspace": WORKSPACE, "project": PROJECT, "profile": PROFILE, "url": URL}
_GIVEN: Final = ("ctx", "target")


def on_project(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name what it acts on; they stand before ``--json`` in its help.

    Args:
        command: Takes ``target``, which is found when it runs, ``ctx`` if it wants, and its own arguments and options.
            None of them may be an empty text, but for those that are one by default.
    """
    written = inspect.signature(command, eval_str=True)
    own = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in written.parameters.values() if each.name not in _GIVEN]
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=str | None)
        for name, option in _OPTIONS.items()
    ]
    place = next((at for at, each in enumerate(own) if each.name == "as_json"), len(own))
    context = Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context)
    names = {each.name: _shown(each.default) for each in own if getattr(each.default, "default", "") != ""}
    parameters = [context, *own[:place], *added, *own[place:]]

    def run(*, ctx: typer.Context, **values: object) -> None:
        for name, shown in names.items():
            check_named(shown, values[name])
        workspace, project, profile, url = (_text(values.pop(name)) for name in _OPTIONS)
        target = find_target(ctx.obj, Wanted(profile, url, workspace, project))
        command(target=target, **({"ctx": ctx} if "ctx" in written.parameters else {}), **values)

    vars(run)["__signature__"] = written.replace(parameters=parameters)
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    return run


def _shown(parameter: Any) -> str:
    """Return what a person calls an argument or option."""
    return str(parameter.param_decls[0] if parameter.param_decls else parameter.metavar.strip("[]"))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
