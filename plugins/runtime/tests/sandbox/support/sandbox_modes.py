"""Modes of confinement, and batches of attempts run in them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Mode:
    """Who confines, by which means, and whether the program is started or forked."""

    user: str
    view: str
    warm: bool
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [self.user, self.view, "forked" if self.warm else "started", *(f"no {name}" for name in self.missing)]
        return " ".join(parts)

    def skip_reason(self) -> str | None:
        if sys.platform != "linux":
            return "only Linux has these layers"
        if self.user == "root" and os.geteuid() != 0:
            return "root's modes need root"
        if self.view == "bubblewrap" and shutil.which("bwrap") is None:
            return "there is no bubblewrap here"
        return None


@dataclass(frozen=True)
class Batch:
    """Attempts to be run in one mode: ``confined``, or ``free`` of what stops them, or both."""

    mode: Mode
    names: tuple[str, ...]
    kinds: tuple[str, ...] = ("confined", "free")


class Drivers:
    """Runs batches of attempts, each once."""

    def __init__(self) -> None:
        self._done: dict[tuple[Batch, ...], dict] = {}

    def results(self, mode: Mode, batches: tuple[Batch, ...]) -> dict:
        """Return what came of the attempts of ``mode``, by name and kind.

        Args:
            batches: All of one user, which one driver runs one after the other.
        """
        reason = mode.skip_reason()
        if reason is not None:
            pytest.skip(reason)
        if batches not in self._done:
            self._done[batches] = self._run([batch for batch in batches if batch.mode.skip_reason() is None])
        return {key[1:]: record for key, record in self._done[batches].items() if key[0] == mode}

    def _run(self, batches: list[Batch]) -> dict:
        folder = Path(tempfile.mkdtemp(prefix="aexl-scene-"))  # pytest's own are closed to other users
        folder.chmod(0o755)
        try:
            return self._drive(batches, folder)
        finally:
            shutil.rmtree(folder)

    def _drive(self, batches: list[Batch], folder: Path) -> dict:
        jobs = {
            "user": batches[0].mode.user,
            "folder": str(folder),
            "batches": [
                {
                    "view": b.mode.view,
                    "warm": b.mode.warm,
                    "missing": b.mode.missing,
                    "names": b.names,
                    "kinds": b.kinds,
                }
                for b in batches
            ],
        }
        done = subprocess.run(
            [sys.executable, str(HERE / "sandbox_driver.py"), json.dumps(jobs)],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        records = [json.loads(line) for line in done.stdout.splitlines()]
        return {(batches[record["batch"]].mode, record["attempt"], record["kind"]): record for record in records}
