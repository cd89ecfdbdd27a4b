"""Running a tool that is a program of its own: confined, an input file in, an output file out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio

from aexl.errors import Invalid, Unavailable
from aexl_runtime.confined import policy_for
from aexl_runtime.protocol.failures import fail
from aexl_runtime.sandbox.confining import confine
from aexl_runtime.sandbox.ports import Confinement, Control, Demand, Folders, Policy, Report
from aexl_runtime.sandbox.probing import probe
from aexl_runtime.tools.manifest import Manifest
from aexl_runtime.tools.outputs import Output

_GRACE: Final = 3.0


async def run_program(
    manifest: Manifest,
    arguments: object,
    policy: Policy,
    *,
    seconds: float,
    execution: str,
    cache: Path,
    confined: Callable[[Report], object],
) -> Output:
    """Run a tool's program, and read what it wrote. Leaves nothing behind, also if cancelled.

    Args:
        confined: Is told what the sandbox holds, before the program is started.

    Raises:
        Failed: If it cannot be run, takes too long, fails, or writes no answer.
    """
    try:
        await trio.to_thread.run_sync(manifest.check)
    except Invalid as error:
        raise fail("import", str(error)) from error
    work = await trio.to_thread.run_sync(_make_work, arguments)
    try:
        confinement = await _confine(manifest, policy, work, seconds=seconds, execution=execution, cache=cache)
        confined(confinement.report)
        return await _run(manifest, confinement, work, seconds=seconds)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(shutil.rmtree, work, True)  # what cannot be removed stays


async def _confine(
    manifest: Manifest, policy: Policy, work: Path, *, seconds: float, execution: str, cache: Path
) -> Confinement:
    if manifest.network:
        policy = policy._replace(demands={**policy.demands, Control.NETWORK: Demand.OFF})
    words = [*manifest.words, str(work / "input.json"), str(work / "output.json")]
    env = {"AEX_PLUGIN_NAME": manifest.name, "AEX_EXECUTION_ID": execution, "PYTHONUNBUFFERED": "1"}
    try:
        return await trio.to_thread.run_sync(
            lambda: confine(
                policy_for(policy, seconds=seconds),
                words,
                folders=Folders(readable=(str(manifest.folder), *manifest.readable), work=str(work)),
                env=env,
                probed=probe(cache),
            )
        )
    except Unavailable as error:
        raise fail("sandbox", str(error)) from error


async def _run(manifest: Manifest, confinement: Confinement, work: Path, *, seconds: float) -> Output:
    process = await trio.lowlevel.open_process(
        list(confinement.argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(confinement.env),
        pass_fds=confinement.pass_fds,
        start_new_session=True,
    )
    printed = [bytearray(), bytearray()]
    with trio.move_on_after(seconds) as scope:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_collect, process.stdout, printed[0], manifest.output)
                nursery.start_soon(_collect, process.stderr, printed[1], manifest.output)
                await process.wait()
        finally:
            await _end(process)
    if scope.cancelled_caught:
        raise fail("timeout", f"Invocation timed out after {round(seconds * 1000)}ms")
    stdout, stderr = (bytes(part).decode("utf-8", "replace") for part in printed)
    if process.returncode != 0:
        last = stderr.strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
        raise fail("user", last[0][:1000], extra={"stdout": stdout, "stderr": stderr})
    result = await trio.to_thread.run_sync(_read_answer, work / "output.json", manifest.output)
    return Output(result, stdout, stderr)


def _make_work(arguments: object) -> Path:
    work = Path(tempfile.mkdtemp(prefix="aexl-tool-"))
    (work / "input.json").write_text(json.dumps(arguments))
    work.chmod(0o777)  # the program may run as a user of its own; the folder's name is nobody's to guess
    (work / "input.json").chmod(0o644)
    return work


def _read_answer(path: Path, most: int) -> Any:
    """Read what a program wrote; a link it made is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise fail("value", f"the tool wrote no output.json: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise fail("value", f"the tool's output has more than {most} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise fail("value", f"the tool's output is not JSON: {error}") from error
    if isinstance(found, list):
        return {"items": found}
    return found if isinstance(found, dict) else {"value": found}


async def _collect(stream: trio.abc.ReceiveStream | None, into: bytearray, most: int) -> None:
    if stream is None:
        return
    async with stream:
        async for data in stream:
            into += data[: max(0, most - len(into))]


async def _end(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            process.terminate()
            with trio.move_on_after(_GRACE):
                await process.wait()
        if process.poll() is None:
            process.kill()
            await process.wait()
