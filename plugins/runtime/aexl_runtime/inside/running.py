"""One run in this process: load, act, tell."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from aexl.sdk.context import Context
from aexl_runtime.inside.acting import act
from aexl_runtime.inside.finding import declared_actions, is_there
from aexl_runtime.inside.loading import load_project, prepare_imports
from aexl_runtime.inside.output import Printed
from aexl_runtime.inside.policy import check_imports
from aexl_runtime.inside.telling import told_failure
from aexl_runtime.inside.wire import Wire, WireDoor
from aexl_runtime.protocol.exchange import MAX_RESULT, encode
from aexl_runtime.protocol.failures import fail


class Run:
    """A worker's side of one run, or of several of one project.

    Args:
        wire: To who started the worker.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._door = WireDoor(wire)
        self._streams = (Printed(wire, "stdout", 1), Printed(wire, "stderr", 2))

    def take_streams(self) -> None:
        """Let what is printed from now on be logged."""
        sys.stdout, sys.stderr = self._streams

    def load(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Import the project; return the message about it, ``loaded`` or ``failed``."""
        request = order["request"]
        begun = perf_counter()
        try:
            prepare_imports(order["root"], compat=order["compat"])
            check_imports(order["root"], request["capabilities"])
        except BaseException as error:
            return self._not_loaded(error, order)
        self.wire.send({"t": "importing"})
        try:
            times = load_project(order["root"], action=request["action"])
        except BaseException as error:
            return {**self._not_loaded(error, order), "sort": "load"}  # whatever it says of itself
        finally:
            self._finish_lines()
        return {"t": "loaded", "ms": {**times, "total_ms": int((perf_counter() - begun) * 1000)}}

    @staticmethod
    def _not_loaded(error: BaseException, order: Mapping[str, Any]) -> dict[str, Any]:
        return told_failure(error, root=order["root"], debug=order["debug"], sort="load")

    def begin(self, order: Mapping[str, Any], loaded: Mapping[str, Any]) -> None:
        """Say that a run begins, and before anything of it runs, what its handler has declared to do."""
        if loaded["t"] == "loaded":
            request = order["request"]
            loaded = {**loaded, "found": is_there(request), "actions": declared_actions(request)}
        self.wire.send(loaded)

    def act(self, order: Mapping[str, Any]) -> None:
        """Do what the request says, and tell how it ended."""
        try:
            result, http = act(order, self._context(order), self._say_found)
            self._finish_lines()
            line = encode({"t": "done", "result": result, "http": http})
            if len(line) > MAX_RESULT:
                raise fail("value", f"the result has {len(line)} bytes; at most {MAX_RESULT} are answered")
        except BaseException as error:
            self._finish_lines()
            line = encode(told_failure(error, root=order["root"], debug=order["debug"]))
        self.wire.send_line(line)

    def _say_found(self) -> None:
        self.wire.send({"t": "found"})

    def _context(self, order: Mapping[str, Any]) -> Context:
        request = order["request"]
        return Context(
            request_id=request["request_id"],
            trace_id=request["trace_id"],
            deadline_ms=order["deadline_ms"],
            snapshot_id=order["snapshot_id"],
            secrets=order["secrets"],
            door=self._door,
            **request["ctx"],
        )

    def _finish_lines(self) -> None:
        for stream in self._streams:
            stream.finish()


def run_once(wire: Wire, order: Mapping[str, Any]) -> None:
    """Load and act."""
    run = Run(wire)
    run.take_streams()
    message = run.load(order)
    run.begin(order, message)
    if message["t"] == "loaded":
        run.act(order)
