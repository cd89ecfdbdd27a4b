"""``[runtime]``, ``[workers]``, ``[sandbox]`` and ``[tools.<name>]`` in ``aexl.toml``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MIB = 1024 * 1024

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]

DemandWord = Literal["require", "prefer", "off"]


class RuntimeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[runtime]``: what a project says of itself.

    Attributes:
        aiel_compat: ``import aiel_sdk`` is answered with ``aexl.sdk``.
        secrets: Names of the secrets that its handlers need; they get those that ``[sandbox] secrets`` allows.
        sdk: Which versions of ``aexl.sdk`` it is written for, as in ``>=1,<2``; held to when it is deployed.
        runtime: The same, of what runs it.
        python: The same, of Python.
    """

    aiel_compat: bool = False
    secrets: tuple[str, ...] = ()
    sdk: str = ""
    runtime: str = ""
    python: str = ""


class WorkersConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[workers]``: who runs handlers.

    Attributes:
        mode: ``fork``: a project is imported once for each tenant, and each run is a fork of that; ``reuse``: runs
            share one process; ``cold``: each run has a process of its own, started for it.
        workers: At most so many at a time.
        queue: Runs that may wait for one.
        uses: Runs after which a kept worker is replaced.
        idle_seconds: Seconds after which an unused one is ended.
        snapshots: Materialised snapshots that are kept; the least recently used goes.
        agent: Who pays for models that handlers ask, where the caller does not say.
    """

    mode: Literal["fork", "reuse", "cold"] = "fork"
    workers: AtLeastOne = 4
    queue: Annotated[int, msgspec.Meta(ge=0)] = 64
    uses: AtLeastOne = 500
    idle_seconds: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    snapshots: AtLeastOne = 64
    agent: str = ""


class SandboxConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sandbox]``: what handlers may do. Sizes in bytes, times in seconds.

    Attributes:
        memory: For all processes of a worker together.
        pids: Processes and threads of a worker at a time.
        cpu: Seconds of CPU time.
        disk: For all that it writes.
        file: For any one file.
        open_files: Descriptors of one process.
        view: Who makes its file tree: ``auto``, ``namespaces``, ``bubblewrap``, ``none``.
        secrets: Names of this server's environment variables that handlers may be given, if their project asks.
        demands: By control: ``require`` (nothing runs without), ``prefer``, ``off``.
    """

    memory: AtLeastOne = 512 * MIB
    pids: AtLeastOne = 64
    cpu: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    disk: AtLeastOne = 128 * MIB
    file: AtLeastOne = 64 * MIB
    open_files: AtLeastOne = 256
    view: Literal["auto", "namespaces", "bubblewrap", "none"] = "auto"
    secrets: tuple[str, ...] = ()
    demands: dict[str, DemandWord] = {}


class RuntimeTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[runtimes.<name>]``: an interpreter beside the built-in one. Paths are the home's, or absolute.

    Attributes:
        venv: A virtual environment.
        python: An interpreter; where there are requirements: the version, or the interpreter, that ``uv`` takes.
        requirements: What ``uv`` installs into an environment that it makes, as lines of a requirements file.
        requirements_file: The same, in a file.
    """

    venv: str = ""
    python: str = ""
    requirements: tuple[str, ...] = ()
    requirements_file: str = ""

    def __post_init__(self) -> None:
        wanted = bool(self.requirements or self.requirements_file)
        if self.venv and (self.python or wanted):
            raise ValueError("a runtime that has 'venv' has neither 'python' nor requirements")
        if not (self.venv or self.python or wanted):
            raise ValueError("a runtime needs one of 'venv', 'python', 'requirements' and 'requirements_file'")
        options = [line for line in self.requirements if line.lstrip().startswith("-") or "\n" in line]
        if options:
            raise ValueError(f"requirements has {options[0][:80]!r}; options are for 'requirements_file'")


class ToolTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tools.<name>]``: what ``/v1/tools/execute`` offers.

    Attributes:
        snapshot: The id of a snapshot, or the absolute path of a folder, that has the tool.
        handler: The tool's name there, if it is another one.
        manifest: Instead of a snapshot: the path of a tool's manifest.
        price: USD for one use.
        timeout: Seconds; at most a day.
    """

    snapshot: str = ""
    handler: str = ""
    manifest: str = ""
    price: str = "0"
    timeout: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 30.0
