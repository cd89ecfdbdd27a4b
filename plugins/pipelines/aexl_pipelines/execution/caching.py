"""Answers of steps with ``cache: true``: kept while prompt, model, settings and files are the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import trio

from aexl.api.runners import RunnerRequest
from aexl.api.work import ObjectId
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.outcomes import Work
from aexl_pipelines.journal.records import Noted

_TREELESS = frozenset({"http", "llm"})
"""Runners that see no files."""


class Cache:
    """The place of one answer."""

    def __init__(self, instance: Instance, path: Path) -> None:
        self._instance = instance
        self._path = path

    @classmethod
    async def of(cls, instance: Instance, request: RunnerRequest) -> Cache | None:
        """Return the place of a step's answer; ``None`` for a step that is always asked anew."""
        run, step = instance.run, instance.step
        if not step.cache or run.options.dry_run or request.session.kind != "new":
            return None
        tree = instance.before
        if tree is None and not (request.tools.disabled or instance.settings.runner in _TREELESS):
            text = (
                f"{instance.address} is not cached: nobody keeps snapshots here, so nobody knows whether files changed"
            )
            await run.emit(Noted(at=run.now(), step=instance.address, text=text))
            return None
        key = _key(request, instance.settings.runner, tree)
        return cls(instance, run.home / "cache" / "steps" / f"{key}.json")

    async def find(self) -> Work | None:
        """Return the answer, if it is there; nothing of it is paid for."""
        try:
            data = await trio.Path(self._path).read_bytes()
            work = msgspec.json.decode(data, type=Work)
        except (OSError, msgspec.DecodeError):
            return None
        if self._instance.run.wants_turns and work.response and not work.dialogue:
            return None  # kept by a pipeline that did not ask for it
        return msgspec.structs.replace(
            work, cached=True, usage=None, cost=None, turns=None, session=None, totals=None, home=None
        )

    async def keep(self, work: Work) -> None:
        """Keep an answer; not that of a step that changed files, for they would not be changed again."""
        instance = self._instance
        if instance.before is not None:
            after = await instance.run.capture(instance.flow.folder, f"after {instance.address}")
            if await instance.run.changed_paths(instance.before, after):
                return
        await trio.to_thread.run_sync(_write, self._path, msgspec.json.encode(work, enc_hook=str))


def _key(request: RunnerRequest, runner: str, tree: ObjectId | None) -> str:
    asked = (
        runner,
        request.model,
        request.prompt,
        request.system,
        request.append_system,
        request.tools,
        request.schema,
        request.sampling,
        request.options,
        request.env,
        tree,
    )
    return hashlib.sha256(msgspec.json.encode(asked, enc_hook=str)).hexdigest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(path)
