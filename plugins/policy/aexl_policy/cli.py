"""``aexl policy``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import trio
import typer

from aexl.api import Body, Session, Surface
from aexl.errors import ConfigError, Invalid, NotFound
from aexl_policy.config import PolicyConfig
from aexl_policy.scripts.answers import Verdict
from aexl_policy.scripts.policies import ask_about
from aexl_policy.scripts.process import PolicyFailed, PolicyWorker
from aexl_policy.scripts.sources import Source, find_sources

app = typer.Typer(no_args_is_help=True, help="List and try the policies of your own.")

_JSON: Final = typer.Option(False, "--json", help="Print JSON.")
_OUTPUT_KEYS: Final[Mapping[str, str]] = {
    "chat": "max_completion_tokens",
    "responses": "max_output_tokens",
    "gemini": "generationConfig.maxOutputTokens",
}


class SampleCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call to try a policy on, as ``--call`` has it; ``model``, ``stream`` come from the body where they are left out."""

    body: dict[str, object] = {}
    agent: str = "someone"
    labels: dict[str, str] = {}
    surface: Surface = "chat"
    model: str | None = None
    stream: bool | None = None
    output_limit: int | None = None


@app.command("list", epilog="Example: aexl policy list")
def list_policies(ctx: typer.Context, as_json: bool = _JSON) -> None:
    """List the policies in the order in which they are asked, and what is wrong with them."""
    session: Session = ctx.obj
    config = session.config.section(PolicyConfig)
    sources = find_sources(session.home, config.files)
    rows = [
        {"name": source.name, "path": source.path, "problem": trio.run(_load, source, config)} for source in sources
    ]
    if as_json:
        session.json(rows)
        return
    columns = ("name", "path", "problem")
    session.table(columns, [[row[column] or "-" for column in columns] for row in rows])


@app.command("test", epilog="Example: aexl policy test policies/limits.py --call call.json")
def try_policy(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The policy's file.")],
    call: Annotated[Path, typer.Option(help="A JSON file: body, agent, labels, surface, model, stream, output_limit.")],
    as_json: bool = _JSON,
) -> None:
    """Ask one policy about one call, without a server; exit with 1 if it denies."""
    session: Session = ctx.obj
    if not file.is_file():
        raise NotFound(f"there is no policy file {str(file)!r}")
    config = session.config.section(PolicyConfig)
    source = Source(name=file.name, path=str(file.resolve()))
    verdict = trio.run(_ask, source, config, _read(call))
    if as_json:
        session.json({"allowed": verdict.deny is None, "reason": verdict.deny, "patch": dict(verdict.patch)})
    elif verdict.deny is not None:
        typer.echo(f"denied: {verdict.deny}")
    else:
        changes = ", ".join(f"{key} = {value!r}" for key, value in verdict.patch.items())
        typer.echo(f"allowed, with {changes}" if changes else "allowed")
    if verdict.deny is not None:
        raise typer.Exit(1)


def _read(path: Path) -> SampleCall:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SampleCall)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {str(path)!r}") from error
    except msgspec.MsgspecError as error:
        raise Invalid(f"{str(path)!r} is not a call: {error}") from error


async def _load(source: Source, config: PolicyConfig) -> str | None:
    worker = _worker([source], config)
    try:
        await worker.start()
    except ConfigError as error:
        return str(error)
    await worker.aclose()
    return None


async def _ask(source: Source, config: PolicyConfig, sample: SampleCall) -> Verdict:
    body = Body(msgspec.json.encode(sample.body))
    view: dict[str, object] = {
        "agent": sample.agent,
        "labels": sample.labels,
        "surface": sample.surface,
        "model": sample.model if sample.model is not None else str(sample.body.get("model", "")),
        "stream": sample.stream if sample.stream is not None else sample.body.get("stream") is True,
        "output_limit": sample.output_limit,
    }
    worker = _worker([source], config)
    await worker.start()
    try:
        (verdict,) = await worker.evaluate(ask_about(view, body, _OUTPUT_KEYS.get(sample.surface, "max_tokens")))
    except PolicyFailed as error:
        return Verdict(deny=str(error))
    finally:
        await worker.aclose()
    return verdict


def _worker(sources: Sequence[Source], config: PolicyConfig) -> PolicyWorker:
    return PolicyWorker(sources, timeout=config.timeout, memory=config.memory * 1024 * 1024)
