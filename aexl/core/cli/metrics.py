"""``aexl metrics``."""

from __future__ import annotations

import sys

import typer

from aexl.api import Control, Host, Session

app = typer.Typer()


@app.command(epilog="Example: aexl metrics | grep denials")
def metrics(
    ctx: typer.Context,
    as_json: bool = typer.Option(False, "--json", help="Print JSON: one object for each number."),
) -> None:
    """Show the running server's numbers, in Prometheus' text format."""
    session: Session = ctx.obj

    async def read(host: Host) -> str:
        control = host.service(Control)
        assert control is not None, "the host plays this role"
        return await control.metrics()

    text = session.run(read)
    if as_json:
        session.json([_entry(line) for line in text.splitlines() if not line.startswith("#")])
    else:
        sys.stdout.write(text)


def _entry(line: str) -> dict[str, object]:
    name, _, value = line.rpartition(" ")
    return {"name": name, "value": float(value)}
