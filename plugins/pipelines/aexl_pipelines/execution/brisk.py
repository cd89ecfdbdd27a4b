"""A host whose programs end soon when a run is cancelled."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from aexl.api import Answer, Call, Config, Host, Process, ProcessSpec, Runner, StepType, Upstream
from aexl.errors import Refused

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

GRACE: Final = 0.3
"""Seconds that a program of a cancelled run has to end by itself: nothing may be alive one second later."""


class BriskHost:
    """The host, but leaving a program's context asks it once, and then ends its whole tree.

    What ends a program politely (a step's own timeout) is up to its runner and takes its time before that.

    Args:
        tree: The mark of all that the run starts: see ``remains``.
    """

    def __init__(self, host: Host, tree: str) -> None:
        self._host = host
        self._tree = tree

    @property
    def version(self) -> str:
        """See ``Host``."""
        return self._host.version

    @property
    def data_dir(self) -> Path:
        """See ``Host``."""
        return self._host.data_dir

    @property
    def current(self) -> Config:
        """See ``Host``."""
        return self._host.current

    def service(self, role: type[T]) -> T | None:
        """See ``Host``."""
        return self._host.service(role)

    def runners(self) -> Mapping[str, Runner]:
        """See ``Host``."""
        return self._host.runners()

    def step_types(self) -> Mapping[str, StepType]:
        """See ``Host``."""
        return self._host.step_types()

    def call(self, call: Call) -> AbstractAsyncContextManager[Answer]:
        """See ``Host``."""
        return self._host.call(call)

    def spawn(self, spec: ProcessSpec) -> AbstractAsyncContextManager[Process]:
        """Run a program; see above for its end."""
        first = spec.cancel[0][0] if spec.cancel else signal.SIGTERM
        return self._host.spawn(replace(spec, cancel=((first, GRACE),), within=self._tree))

    async def end_remains(self, mark: str) -> int | None:
        """See ``Host``."""
        return await self._host.end_remains(mark)

    def transport(self, upstream: Upstream) -> httpx.AsyncBaseTransport:
        """See ``Host``."""
        return self._host.transport(upstream)

    def interrupt(self, agent: str, verdict: Refused) -> int:
        """See ``Host``."""
        return self._host.interrupt(agent, verdict)

    def publish(self, event: object) -> None:
        """See ``Host``."""
        self._host.publish(event)
