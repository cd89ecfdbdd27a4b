"""``python -m aexl_runtime.inside.main``: a worker, its orders on standard input, its answers on standard output."""

from __future__ import annotations

import os

from aexl_runtime.inside.wire import Wire


def own_wire() -> Wire:
    """Take the protocol away from descriptors 0 and 1, so that what a project reads and prints is not it."""
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return Wire(reading, writing)


def prepare() -> None:
    """Import what a run needs."""
    import aexl_runtime.inside.running  # noqa: F401 - to have it


def main(wire: Wire | None = None) -> None:
    """Serve the first order: a single run, or a project to be kept ready. Does not return."""
    wire = own_wire() if wire is None else wire
    order = wire.receive()
    if order is not None and order["t"] == "run":
        from aexl_runtime.inside.running import run_once

        run_once(wire, order)
    elif order is not None:
        from aexl_runtime.inside.serving import serve

        serve(wire, order)
    os._exit(0)  # threads and exit handlers of the project have no say in it


if __name__ == "__main__":
    main()
