"""What the page says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from aexl.api import Agent

_NANOS = 1_000_000_000

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>aexl: who spends what</title>
<style>body {{ font: 2em sans-serif; margin: 2em }} td, th {{ padding: 0.2em 1em; text-align: left }}</style>
<h1>Who spends what</h1>
<table><tr><th>agent</th><th>state</th><th>spent</th><th>budget</th></tr>
{rows}
</table>
"""


def write_rows(agents: Sequence[Agent]) -> list[dict[str, str | None]]:
    """Return an agent's name, state, and money in dollars, as decimal strings; no budget is ``None``."""
    return [
        {
            "agent": agent.name,
            "state": agent.state,
            "spent_usd": _dollars(agent.spent),
            "budget_usd": None if agent.budget is None else _dollars(agent.budget),
        }
        for agent in agents
    ]


def write_page(agents: Sequence[Agent]) -> str:
    """Return the page."""
    rows = "\n".join(_write_row(row) for row in write_rows(agents))
    return _PAGE.format(rows=rows or "<tr><td colspan=4>No agents yet.</td></tr>")


def _write_row(row: dict[str, str | None]) -> str:
    budget = row["budget_usd"]
    cells = (row["agent"], row["state"], f"${row['spent_usd']}", "no limit" if budget is None else f"${budget}")
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"


def _dollars(nanos: int) -> str:
    """Return an exact decimal; a page must not round what a ledger books."""
    whole, rest = divmod(nanos, _NANOS)
    return f"{whole}.{f'{rest:09d}'.rstrip('0'):0<2}"
