"""What one server does with cassettes: what it was started with, however the file changes meanwhile."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aexl.api import Host, Provider, Sample
from aexl_cassettes.config import CassettesConfig
from aexl_cassettes.counts import Counts

if TYPE_CHECKING:
    from aexl_cassettes.shelf import Shelf

logger = logging.getLogger("aexl.cassettes")


class Deck:
    """Wraps providers in recorders or players, all of one folder.

    Args:
        config: The table as it was when the server started; its mode is not ``off``.
    """

    def __init__(self, host: Host, config: CassettesConfig) -> None:
        from aexl_cassettes.folder import Folder
        from aexl_cassettes.normal import Rules

        self._config = config
        self._counts = Counts()
        self._folder = Folder(config.place(host.data_dir))
        self._rules = Rules(ignore=config.ignore, blur=config.blur, headers=config.headers)
        self._shelf: Shelf | None = None
        if config.mode == "replay":
            from aexl_cassettes.shelf import Shelf

            self._shelf = Shelf(self._folder, self._rules, config.repeat)

    def wrap(self, provider: Provider) -> Provider:
        """Return what stands in a provider's place."""
        if self._shelf is None:
            from aexl_cassettes.recorder import Recorder

            return Recorder(provider, self._folder, self._rules, self._config.answer_bytes, self._counts)
        from aexl_cassettes.player import Player

        return Player(provider, self._folder, self._shelf, self._rules, self._config.timing, self._counts)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Read the recordings before the first request is taken."""
        import trio

        if self._shelf is None:
            logger.info("recording to %s", self._folder.path)
        else:
            await trio.to_thread.run_sync(self._shelf.load)
            logger.info("replaying %d recordings from %s; no provider is asked", len(self._shelf), self._folder.path)
            for problem in self._shelf.problems:
                logger.warning("%s", problem)
        yield

    async def probe(self) -> str | None:
        """Say which recordings cannot be read."""
        problems = [] if self._shelf is None else self._shelf.problems
        return f"recordings that cannot be read: {len(problems)}; the first: {problems[0]}" if problems else None

    def samples(self) -> Iterable[Sample]:
        """Return everything for ``/metrics``."""
        return self._counts.samples()
