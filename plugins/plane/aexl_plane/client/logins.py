"""The role ``Logins``: tokens for other plugins' requests to servers that the user has logged in to."""

from __future__ import annotations

from pathlib import Path

import trio

from aexl_plane.client.credentials import Credentials


class LoginService:
    """See ``aexl.api.Logins``."""

    def __init__(self, home: Path) -> None:
        self._home = home

    async def token(self, url: str) -> str | None:
        return await trio.to_thread.run_sync(self._find, url)

    def _find(self, url: str) -> str | None:
        credentials = Credentials(self._home)
        kept = credentials.read()
        for name in sorted(kept.profiles, key=lambda name: name != kept.current):
            profile = kept.profiles[name]
            if url == profile.url or url.startswith(f"{profile.url}/"):
                return credentials.token(name, profile)[0]
        return None
