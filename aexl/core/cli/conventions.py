"""What commands have in common: an option, an exit code and a sentence."""

from __future__ import annotations

from typing import Any, Final

import typer

# Any: Typer's options stand in for values of another type.
JSON: Final[Any] = typer.Option(False, "--json", help="Print JSON.")

NOT_RUNNING: Final = 3
"""Exit code where a server was asked for and none runs, as ``systemctl status`` has it."""

NO_SERVER: Final = "No server runs. Start one with 'aexl daemon start'."
