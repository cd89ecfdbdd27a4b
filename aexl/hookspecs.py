"""Every hook of aexl, and nothing else.

One rule explains the whole file: *a hook is asked once, when the host starts,
and answers with objects; the work of each request runs through those objects.*
So every hook is an ordinary, synchronous function, pluggy does what it is good
at (find, order, check and block plugins), and everything that waits is an
``async`` method of a typed interface in ``aexl.api``. What a reload of the
configuration can change is built by such objects (``aexl.api.Reloadable``) and
swapped in one step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import pluggy

from aexl.api import (
    Admission,
    BlobStore,
    Collector,
    Command,
    ConfigSection,
    ConnectorType,
    Dispatcher,
    HealthCheck,
    Host,
    Mount,
    Provider,
    ProviderType,
    Runner,
    Service,
    Settlement,
    StepType,
    Subscriber,
)

PROJECT: Final = "aexl"
ENTRY_POINT_GROUP: Final = "aexl.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Plugin:
    """The hooks, in the order in which the host asks them.

    A plugin is any object, named by an entry point of the group
    ``aexl.plugins``, with some of these functions marked ``@hookimpl``. To
    have a type checker compare them with the signatures below, derive a class
    from this one and override what you need; hooks that are not overridden
    are not called. A class is instantiated without arguments.

    Hooks run in the main thread before anything is served. They must not
    wait, open sockets or start threads: that is what ``aexl_lifespan`` is
    for. A hook that raises, or that returns something else than it should,
    turns its plugin off and is named in ``aexl plugin list`` and ``aexl doctor``.

    Names are unique: two provider types, steps, runners, commands, mounts or
    services of one name are an error, unless ``[plugins] prefer`` says whose
    wins.
    """

    @hookspec
    def aexl_config(self) -> Sequence[ConfigSection]:
        """Declare tables of ``aexl.toml``. Asked first, before any configuration is read."""
        return ()

    @hookspec
    def aexl_commands(self) -> Sequence[Command]:
        """Add subcommands to ``aexl``. Asked on every start of the program: must import nothing."""
        return ()

    @hookspec
    def aexl_admission(self, host: Host) -> Admission | None:
        """Add a gate. Gates are passed in hook order (``tryfirst`` before the others)."""
        return None

    @hookspec
    def aexl_settlement(self, host: Host) -> Settlement | None:
        """Offer the book. Exactly one is used; without one, calls are not accounted and doctor says so."""
        return None

    @hookspec
    def aexl_dispatcher(self, host: Host) -> Dispatcher | None:
        """Offer the plan-maker. Exactly one is used; without one, no call can be sent."""
        return None

    @hookspec
    def aexl_provider_types(self, host: Host) -> Sequence[ProviderType]:
        """Offer kinds of provider; the configuration makes providers of them."""
        return ()

    @hookspec
    def aexl_wrap_provider(self, host: Host, provider: Provider) -> Provider | None:
        """Put something around a provider: a cache, a recorder. Asked for each; ``None`` leaves it."""
        return None

    @hookspec
    def aexl_snapshot_stores(self, host: Host) -> Mapping[str, Callable[[str], Awaitable[BlobStore]]]:
        """Offer places to keep snapshots, by URL scheme; the function opens and probes one."""
        return {}

    @hookspec
    def aexl_connectors(self, host: Host) -> Sequence[ConnectorType]:
        """Offer kinds of integration; the configuration makes integrations of them, for projects on this server."""
        return ()

    @hookspec
    def aexl_pipeline_steps(self, host: Host) -> Sequence[StepType]:
        """Add words to the pipeline language."""
        return ()

    @hookspec
    def aexl_runners(self, host: Host) -> Sequence[Runner]:
        """Offer ways of running agent CLIs."""
        return ()

    @hookspec
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:
        """Play roles of ``aexl.api.roles`` for other plugins."""
        return ()

    @hookspec
    def aexl_routes(self, host: Host) -> Sequence[Mount]:
        """Serve HTTP paths."""
        return ()

    @hookspec
    def aexl_health_checks(self, host: Host) -> Sequence[HealthCheck]:
        """Add checks to ``/ready``."""
        return ()

    @hookspec
    def aexl_metrics(self, host: Host) -> Sequence[Collector]:
        """Add numbers to ``/metrics``; each function must be quick and must not wait."""
        return ()

    @hookspec
    def aexl_subscribers(self, host: Host) -> Sequence[Subscriber]:
        """Hear of events."""
        return ()

    @hookspec
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None] | None:
        """Return a context that is open while the host runs.

        Asked last. Each context lives in a task of its own in the host's
        nursery and may open a nursery itself. Contexts are entered one after
        the other in hook order, before the first request is taken, and left
        in reverse after the last one has been answered. An error that leaves
        the context stops the host and names the plugin.
        """
        return None
