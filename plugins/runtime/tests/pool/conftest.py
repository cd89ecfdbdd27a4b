"""A pool of workers, and a project for it."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
import trio

from aexl_runtime.pool.pool import Pool
from aexl_runtime.protocol.exchange import Task
from aexl_runtime.protocol.requests import request_of
from aexl_runtime.sandbox.ports import Policy
from aexl_runtime.settings import WorkersConfig


async def no_model(body):
    return {"error": {"message": "no", "status": 503, "code": "no_server"}}


class Lab:
    """A pool and a project."""

    def __init__(self, pool: Pool, root: Path) -> None:
        self.pool = pool
        self.root = root

    async def run(
        self, handler: str, event: dict[str, Any] | None = None, *, tenant="t", ask=no_model, secrets=None, **meta
    ):
        request = request_of(
            {"action": "invoke", "kind": "tool", "handler": handler, "event": event or {}, "meta": meta}
        )
        task = Task(request=request, root=str(self.root), snapshot_id="s", secrets=secrets)
        return await self.pool.run(task, ask, tenant=tenant, env=secrets)


async def keep_running(pool: Pool, task_status=trio.TASK_STATUS_IGNORED):
    async with pool.running():
        task_status.started()
        await trio.sleep_forever()


@pytest.fixture
def lab(tmp_path, nursery):
    async def make(source: str, policy=None, **config) -> Lab:
        root = tmp_path / "project"
        root.mkdir()
        (root / "entry_point.py").write_text("from aexl.sdk import tool\nimport os\n" + textwrap.dedent(source))
        pool = Pool(WorkersConfig(**config), policy or Policy(), None)
        await nursery.start(keep_running, pool)
        return Lab(pool, root)

    return make
