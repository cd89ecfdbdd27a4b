"""A project, and the program run in it as a stranger runs it."""

from __future__ import annotations

import json
import os

import commands
from commands import AEXL

KEPT = ("PATH", "LANG", "TMPDIR")
KEYS = ("AWS_", "AZURE_", "GOOGLE_")
"""How the names of variables begin that tests of buckets set."""


class Project:
    """A folder, and the program run in it."""

    def __init__(self, folder, home, program=AEXL):
        self.folder = folder
        self.home = home
        self.program = program
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments, **options):
        return self.aexl("snapshot", *arguments, **options)

    def aexl(self, *arguments, code=0, at=".", **environ):
        kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEYS)}
        kept |= {"AEXL_HOME": str(self.home), "HOME": str(self.home.parent), "AEXL_AUTHOR": "Ada <ada@example.org>"}
        done = commands.run(arguments, kept | environ, cwd=self.folder / at, program=self.program)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments, **options):
        return json.loads(self.run(*arguments, "--json", **options).stdout)

    def write(self, **files):
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def read(self):
        return {
            path.relative_to(self.folder).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o100)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and ".aexl" not in path.relative_to(self.folder).parts
        }
