"""``aexl init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import typer

from aexl.api import Session
from aexl.core.config.editing import replace_file
from aexl.core.home import FILE_NAME, FOLDERS, make_home
from aexl.errors import Invalid

app = typer.Typer()

TEMPLATE: Final = """\
# aexl's configuration. 'aexl config list' shows every value, 'aexl doctor' checks them.

[serve]
host = "127.0.0.1"
port = 9000

# Keys are read from the environment, or from .env beside this file (mode 0600).
# Models of a provider that the shipped price catalogue knows need no table of their own;
# 'aexl models list' shows them.

[providers.openai]
type = "openai"
api_key_env = "OPENAI_API_KEY"

[providers.anthropic]
type = "anthropic"
api_key_env = "ANTHROPIC_API_KEY"

# A model of your own:
#
# [providers.local]
# type = "openai"
# base_url = "http://127.0.0.1:11434/v1"
# private = true                       # loopback and private addresses are refused otherwise
#
# [models.llama]
# provider = "local"
# provider_model = "llama3.1"
# free = true
# limits = { context = 131072, output = 8192 }
"""


@app.command(epilog="Examples: AEXL_HOME=/srv/aexl aexl init  ·  aexl init --project shop")
def init(
    ctx: typer.Context,
    folder: Path | None = typer.Argument(
        None, help="With --project: the folder; this one by default.", metavar="[DIR]"
    ),
    project: bool = typer.Option(False, "--project", help="Make a project with handlers instead, and begin snapshots."),
) -> None:
    """Make the home folder and a first configuration. What is there already stays.

    Never asks anything: provider keys come from the environment or from .env in the home.
    """
    session: Session = ctx.obj
    home = session.home
    if project:
        from aexl.core.cli.init_project import begin_project

        return begin_project(ctx, folder or Path(), home)
    if folder is not None:
        raise Invalid(f"a folder is for 'aexl init --project {folder}'; the home is named by AEXL_HOME: {home}")
    return _make_home(home)


def _make_home(home: Path) -> None:
    make_home(home)
    home.chmod(0o700)
    for folder in FOLDERS:
        (home / folder).mkdir(mode=0o700, exist_ok=True)
    made = [name for name, text in ((FILE_NAME, TEMPLATE), (".env", "")) if _make(home / name, text)]
    what = f"wrote {' and '.join(made)}" if made else "everything was there already"
    sys.stdout.write(f"{home}: {what}.\n")
    sys.stdout.write(
        "Next: put provider keys into .env there, then 'aexl daemon start' and 'aexl agent create NAME 5'.\n"
    )


def _make(path: Path, text: str) -> bool:
    if path.exists():
        return False
    replace_file(path, text.encode())
    return True
