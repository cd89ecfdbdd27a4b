"""The role ``Control`` of a server that is not there."""

from __future__ import annotations

from collections.abc import Mapping

from aexl.api import Control
from aexl.errors import AexlError


class FakeControl:
    """Counts what it is asked for, and refuses to reload when told to.

    Attributes:
        digest: What ``reload`` answers.
        refuses: What ``reload`` raises.
        values: What ``configuration`` answers.
        reloads: How often it was asked to.
        stopped: It was asked to stop.
    """

    def __init__(self) -> None:
        self.digest = "ab" * 32
        self.refuses: AexlError | None = None
        self.values: Mapping[str, object] = {}
        self.reloads = 0
        self.stopped = False

    async def reload(self) -> str:
        self.reloads += 1
        if self.refuses is not None:
            raise self.refuses
        return self.digest

    async def configuration(self) -> Mapping[str, object]:
        return self.values

    async def status(self) -> Mapping[str, object]:
        return {"running": True}

    async def metrics(self) -> str:
        return ""

    async def health(self) -> Mapping[str, str]:
        return {}

    async def stop(self) -> None:
        self.stopped = True


def _conforms(control: FakeControl) -> Control:
    return control
