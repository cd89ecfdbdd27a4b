"""Plants each bug of this folder in a copy of the tree, and sees whether the tests turn red (``make mutants``).

A bug is a unified diff ``NAME.patch`` whose first lines say what it is:

    # bug: what is wrong now, in a few words
    # tests: pytest items that must notice
    # wider: where to look when those stay green (optional)

A patch that does not apply, or tests that cannot run, are failures too: they
prove nothing. Names of patches as arguments try only those.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from venv import EnvBuilder

ROOT: Final = Path(__file__).parents[2]
PATCHES: Final = Path(__file__).parent
PATIENCE: Final = 180.0
"""Seconds after which tests that hang count as red."""

TESTS_FAILED: Final = 1
"""Pytest's exit code for red tests; all others but 0 mean that it could not run them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A planted bug."""

    path: Path
    bug: str
    tests: Sequence[str]
    wider: Sequence[str]


def read_mutant(path: Path) -> Mutant:
    """Read a patch's first lines."""
    lines = [line[2:] for line in path.read_text().splitlines() if line.startswith("# ")]
    fields = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    try:
        bug, tests = fields["bug"], fields["tests"].split()
    except KeyError as missing:
        raise SystemExit(f"{path.name} has no line '# {missing.args[0]}: …'") from missing
    return Mutant(path=path, bug=bug, tests=tests, wider=fields.get("wider", "").split())


def copy_tree(folder: Path) -> None:
    """Copy what git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def make_environment(venv: Path, tree: Path) -> str:
    """Make an environment with our packages and the tree's sources; return its Python.

    Tests start ``aexl`` as a program too, with an environment made from nothing,
    so that no variable could lead it to the copy.
    """
    EnvBuilder(symlinks=True).create(venv)
    python, script = venv / "bin" / "python", venv / "bin" / "aexl"
    script.write_text(f"#!{python}\nfrom aexl.__main__ import main\n\nmain()\n")
    script.chmod(0o755)
    sources = [tree, *sorted(path.parent for path in tree.glob("plugins/*/aexl_*"))]
    (libraries,) = venv.glob("lib/python*/site-packages")
    # A folder that a .pth file names is searched, but its own .pth files, ours for editing among them, are not read.
    (libraries / "copy.pth").write_text("".join(f"{path}\n" for path in [*sources, sysconfig.get_path("purelib")]))
    return str(python)


class Copy:
    """A copy of the tree with an environment of its own, in which everything imports the copy's packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tree"
        copy_tree(self.folder)
        self._python = make_environment(folder / "venv", self.folder)
        self._environ: Mapping[str, str] = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",  # a patch and its reversal may share a second, and so a cache
        }
        code = "import aexl, aexl_ledger; print(aexl.__file__); print(aexl_ledger.__file__)"
        ran = subprocess.run([self._python, "-I", "-c", code], capture_output=True, text=True, check=True)
        for place in ran.stdout.splitlines():
            if not Path(place).is_relative_to(self.folder):
                raise SystemExit(f"the tests would import {place}, not the copy in {self.folder}")

    def patch(self, path: Path, *options: str) -> str | None:
        """Apply a patch; return why that is impossible, or ``None``."""
        command = ["git", "apply", "--whitespace=nowarn", *options, str(path)]
        ran = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        return None if ran.returncode == 0 else ran.stderr.strip()

    def test(self, items: Sequence[str]) -> tuple[int, str]:
        """Run tests until the first is red; return pytest's exit code and what it says. Hanging counts as red."""
        command = [self._python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not long", *items]
        try:
            ran = subprocess.run(
                command,
                cwd=self.folder,
                env=self._environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return TESTS_FAILED, f"hung for {PATIENCE:.0f} s"
        lines = ran.stdout.strip().splitlines() or [ran.stderr.strip()]
        named = [line for line in lines if re.match(r"(FAILED|ERROR) \S+\.py", line)]
        return ran.returncode, named[0] if named else lines[-1]


def verdict(copy: Copy, mutant: Mutant) -> tuple[bool, str]:
    """Plant a bug, run the tests, take it out again; return whether it was noticed, and how."""
    code, line = planted(copy, mutant, mutant.tests)
    if code == 0 and mutant.wider:
        code, line = planted(copy, mutant, mutant.wider)
        if code == TESTS_FAILED and copy.test(mutant.wider)[0] != 0:
            return False, f"PROVES NOTHING: the wider tests are red without it too: {line}"
        line += " (only the wider tests)"
    if code == TESTS_FAILED:
        return True, f"red: {line}"
    return False, f"SURVIVES: {line}" if code == 0 else f"NO TESTS RAN: {line}"


def planted(copy: Copy, mutant: Mutant, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests with the bug in the copy; see ``Copy.test``."""
    trouble = copy.patch(mutant.path)
    if trouble:
        return -1, f"the patch does not apply: {trouble}"
    try:
        return copy.test(tests)
    finally:
        copy.patch(mutant.path, "--reverse")


def main() -> int:
    """Try every mutant; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="patches, without .patch")
    options = parser.parse_args()
    mutants = [
        read_mutant(path) for path in sorted(PATCHES.glob("*.patch")) if not options.names or path.stem in options.names
    ]
    with tempfile.TemporaryDirectory(prefix="aexl-mutants-") as name:
        copy = Copy(Path(name).resolve())
        code, line = copy.test(sorted({item for mutant in mutants for item in mutant.tests}))
        if code != 0:
            sys.stderr.write(f"mutants: without any bug the tests must be green, but: {line}\n")
            return 1
        survivors = 0
        for mutant in mutants:
            begun = time.monotonic()
            noticed, how = verdict(copy, mutant)
            survivors += not noticed
            sys.stdout.write(f"{mutant.path.stem:<28} {mutant.bug:<60} {how} [{time.monotonic() - begun:.0f} s]\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(mutants)} bugs planted, {survivors} not noticed\n")
    return 1 if survivors or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
