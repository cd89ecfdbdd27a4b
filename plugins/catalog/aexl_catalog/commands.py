"""``aexl models``: what can be called, what it costs, and how to change that."""

from __future__ import annotations

import difflib
import importlib
import os
import tomllib
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from aexl.api import Control, Host, Model, Models, Session
from aexl.errors import Conflict, Invalid, NotFound, Unavailable
from aexl_catalog.aex import convert
from aexl_catalog.editing import add_table
from aexl_catalog.pricing import read_price
from aexl_catalog.report import COLUMNS, find_problems, key_variables, lines, plain, row, sets
from aexl_catalog.settings import ModelTable

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Models, their prices and limits.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


async def _models(host: Host) -> Sequence[Model]:
    service = host.service(Models)
    if service is None:
        raise Unavailable("no plugin keeps models here; see `aexl plugin list`")
    return await service.list()


async def _reload(host: Host) -> str:
    control = host.service(Control)
    if control is None:
        raise Unavailable("no server runs here; the configuration is read when one starts")
    return await control.reload()


@app.command("list")
def list_models(context: typer.Context, json: Json = False) -> None:
    """List the models that can be called, with prices in USD per million tokens.

    Example: aexl models list --json
    """
    session: Session = context.obj
    models = session.run(_models)
    if json:
        session.json([plain(model) for model in models])
    else:
        session.table(COLUMNS, [row(model) for model in models])


@app.command()
def show(context: typer.Context, name: str, json: Json = False) -> None:
    """Show one model: its prices of every class, where they come from, and its limits.

    Example: aexl models show gpt-4o
    """
    session: Session = context.obj
    model = _pick(session.run(_models), name)
    if json:
        session.json(plain(model))
    else:
        session.table(("", " "), lines(model))


@app.command()
def check(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One model; without it, all of [models].")] = None,
    json: Json = False,
) -> None:
    """Check that models have a provider, a price, limits and a key. Calls nobody; exit code 1 if something is wrong.

    Example: aexl models check gpt-4o
    """
    session: Session = context.obj
    configured = session.config.mapping(ModelTable)
    models = session.run(_models)
    chosen = [_pick(models, name)] if name is not None else [model for model in models if model.name in configured]
    tables = _providers(session.home)
    problems = find_problems(chosen, tables, _keys(session.home, tables))
    if json:
        session.json([{"model": model, "problem": problem} for model, problem in problems])
    elif problems:
        session.table(("model", "problem"), problems)
    else:
        typer.echo(f"{len(chosen)} model{'' if len(chosen) == 1 else 's'} checked; nothing is wrong.")
    if problems:
        raise typer.Exit(1)


@app.command()
def reload(context: typer.Context) -> None:
    """Have the running server read its configuration again; running calls keep their plan.

    Example: aexl models reload
    """
    session: Session = context.obj
    if session.running() is None:
        raise Unavailable("no server runs here; the configuration is read when one starts")
    typer.echo(f"Reloaded; the configuration is now {session.run(_reload)[:12]}.")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name that callers use.")],
    provider: Annotated[str, typer.Option(help="A name of [providers].")],
    provider_model: Annotated[str, typer.Option(help="What the provider calls it; the same if left out.")] = "",
    input: Annotated[str, typer.Option(help="USD per million input tokens.")] = "",
    output: Annotated[str, typer.Option(help="USD per million output tokens.")] = "",
    cached_input: Annotated[str, typer.Option(help="USD per million cached input tokens.")] = "",
    free: Annotated[bool, typer.Option("--free", help="It costs nothing.")] = False,
    context_limit: Annotated[int | None, typer.Option("--context", help="Tokens of input and output together.")] = None,
    output_limit: Annotated[int | None, typer.Option(help="The most output tokens of one answer.")] = None,
    enforce: Annotated[
        bool, typer.Option("--enforce", help="Send --output-limit: the model could write more.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of that name.")] = False,
) -> None:
    """Add a model to aexl.toml; without a price, the shipped catalogue's counts.

    Example: aexl models add fast --provider groq --provider-model llama-3.1-8b-instant --input 0.05 --output 0.08
    """
    session: Session = context.obj
    if bool(input) != bool(output):
        raise Invalid("a price has both --input and --output")
    values: dict[str, object] = {"provider": provider}
    if provider_model:
        values["provider_model"] = provider_model
    if input:
        values["price"] = {"input": input, "output": output} | ({"cached_input": cached_input} if cached_input else {})
    if free:
        values["free"] = True
    if enforce and output_limit is None:
        raise Invalid("--enforce needs --output-limit")
    limits: dict[str, object] = {"context": context_limit, "output": output_limit, "enforce": enforce or None}
    given = {key: value for key, value in limits.items() if value is not None}
    if given:
        values["limits"] = given
    check_table(name, values)
    followed = session.edit_config(lambda document: add_table(document, "models", name, values, replace=replace))
    if provider not in _providers(session.home):
        typer.echo(f"There is no [providers.{provider}] yet; calls are refused until there is.", err=True)
    typer.echo(_added(name, session, followed))


@app.command("import")
def import_models(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="An AEX models.yaml.", exists=True, dir_okay=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace what has the same names.")] = False,
) -> None:
    """Add the providers and models of an AEX models.yaml to aexl.toml.

    Example: aexl models import ~/.aex/config/models.yaml
    """
    session: Session = context.obj
    imported = convert(_read_yaml(file))
    for name, values in imported.models.items():
        check_table(name, values)
    kept: list[str] = []

    def change(document: MutableMapping[str, Any]) -> None:
        for table, entries in (("providers", imported.providers), ("models", imported.models)):
            for name, values in entries.items():
                try:
                    add_table(document, table, name, values, replace=replace)
                except Conflict:
                    kept.append(f"[{table}.{name}] was there already, and stays as it is")

    followed = session.edit_config(change)
    for remark in (*imported.remarks, *kept):
        typer.echo(remark, err=True)
    added = len(imported.providers) + len(imported.models) - len(kept)
    typer.echo(_added(f"{added} table{'' if added == 1 else 's'}", session, followed))


def check_table(name: str, values: Mapping[str, object]) -> None:
    """Check a model before it is written.

    Raises:
        Invalid: If the configuration would refuse it.
    """
    try:
        table = msgspec.convert(values, ModelTable)
    except msgspec.ValidationError as error:
        raise Invalid(f"models.{name}: {error}") from error
    if table.price is not None:
        read_price(table.price, "config")
        if table.free:
            raise Invalid("a model with a price is not free; give one of the two")


def _pick(models: Sequence[Model], name: str) -> Model:
    for model in models:
        if model.name == name:
            return model
    close = difflib.get_close_matches(name, [model.name for model in models], n=1)
    raise NotFound(f"there is no model {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


def _keys(home: Path, tables: Mapping[str, object]) -> Mapping[str, bool]:
    try:
        text = (home / ".env").read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{home / '.env'} cannot be read: {error}") from error
    return {variable: bool(os.environ.get(variable)) or sets(text, variable) for variable in key_variables(tables)}


def _providers(home: Path) -> Mapping[str, object]:
    """Return ``[providers]`` as the home's file has it: the tables belong to the provider types."""
    try:
        found = tomllib.loads((home / "aexl.toml").read_text(encoding="utf-8")).get("providers")
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def _added(what: str, session: Session, followed: bool) -> str:
    return f"Added {what} to {session.home / 'aexl.toml'}." + (" The running server has it." if followed else "")


def _read_yaml(path: Path) -> object:
    try:
        yaml = importlib.import_module("ruamel.yaml")
    except ModuleNotFoundError as error:
        raise Unavailable("reading YAML needs the package ruamel.yaml, which is not installed here") from error
    try:
        return yaml.YAML(typ="safe", pure=True).load(path.read_bytes())
    except (yaml.error.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid YAML: {error}") from error
