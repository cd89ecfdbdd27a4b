"""``[plane]`` in ``aexl.toml``."""

from __future__ import annotations

from typing import Final

import msgspec

TABLE: Final = "plane"

MIB: Final = 1024 * 1024
DAY: Final = 86_400.0

_RANGES: Final = {
    "payload_seconds": (1, 3660 * DAY),
    "payload_bytes": (1024, 64 * MIB),
    "execution_seconds": (1, 3660 * DAY),
    "sync_running": (1, 100_000),
    "async_running": (1, 1000),
    "async_queued": (1, 1_000_000),
    "async_together": (1, 1000),
}
"""From, to."""

_ENVIRONMENTS: Final = ("dev", "staging", "prod")
_APPROVAL: Final = ("prod",)


class PlaneOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How projects are served, and where commands find them.

    Attributes:
        url: The server that commands talk to where neither flag, variable nor profile names one.
        public_url: What signed URLs begin with; empty for the scheme ``http`` and the host that the client has named.
        file_bytes: The largest file that a client may send or fetch by a signed URL.
        upload_seconds: How long a signed upload stays good.
        uploads: Signed uploads of a project that are not committed yet, at most.
        memory_items: What a project's memory may hold: messages, checkpoints and recalled items, each counted by itself.
        environments: Those that every project has without making them; the others are made one by one.
        approval: Those of them to which a deployment waits until somebody approves it, unless a project says otherwise.
        deploy_files: The most files that a snapshot may have to be deployed.
        deploy_bytes: The most bytes of them.
        agents: Who pays for the models that handlers ask: agents by ``TENANT``, ``TENANT/WORKSPACE`` or
            ``TENANT/WORKSPACE/PROJECT``; the most exact one counts, and without one the workers' own configuration.
        payload_seconds: How long is kept what executions were asked and answered, and with it idempotency keys.
        payload_bytes: The largest request and the largest answer that are kept.
        execution_seconds: How long executions are listed.
        sync_running: Runs of a project that somebody waits for, at most.
        async_running: Runs of a project that nobody waits for, at a time; the others wait their turn.
        async_queued: How many may wait.
        async_together: Runs of all projects that nobody waits for, at a time.
    """

    url: str = ""
    public_url: str = ""
    file_bytes: int = 32 * MIB
    upload_seconds: float = 900.0
    uploads: int = 10_000
    memory_items: int = 100_000
    environments: tuple[str, ...] = _ENVIRONMENTS
    approval: tuple[str, ...] = _APPROVAL
    deploy_files: int = 20_000
    deploy_bytes: int = 256 * MIB
    agents: dict[str, str] = {}
    payload_seconds: float = 7 * DAY
    payload_bytes: int = MIB
    execution_seconds: float = 90 * DAY
    sync_running: int = 64
    async_running: int = 4
    async_queued: int = 1000
    async_together: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.file_bytes <= 64 * MIB:
            raise ValueError(f"file_bytes must be from 1 to {64 * MIB}, not {self.file_bytes}")
        if not 1 <= self.upload_seconds <= 86_400:
            raise ValueError(f"upload_seconds must be from 1 to 86400, not {self.upload_seconds}")
        if not 1 <= self.uploads <= 1_000_000:
            raise ValueError(f"uploads must be from 1 to 1000000, not {self.uploads}")
        if not 1 <= self.memory_items <= 100_000_000:
            raise ValueError(f"memory_items must be from 1 to 100000000, not {self.memory_items}")
        if not 1 <= self.deploy_files <= 1_000_000:
            raise ValueError(f"deploy_files must be from 1 to 1000000, not {self.deploy_files}")
        if not 1 <= self.deploy_bytes <= 16 * 1024 * MIB:
            raise ValueError(f"deploy_bytes must be from 1 to {16 * 1024 * MIB}, not {self.deploy_bytes}")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least:g} to {most:g}, not {getattr(self, name)}")
        if self.environments != _ENVIRONMENTS or self.approval != _APPROVAL:
            _check_environments(self.environments, self.approval)
        for name, url in (("url", self.url), ("public_url", self.public_url)):
            if url and not url.startswith(("http://", "https://")):
                raise ValueError(f"{name} must begin with http:// or https://, not {url!r}")


def _check_environments(names: tuple[str, ...], approval: tuple[str, ...]) -> None:
    from aexl_plane.names import RESERVED_ENVIRONMENTS, is_slug

    for name in names:
        if not is_slug(name) or name in RESERVED_ENVIRONMENTS:
            raise ValueError(f"environments: {name!r} cannot be an environment's name")
    if not 1 <= len(set(names)) == len(names) <= 10:
        raise ValueError("environments must name 1 to 10 of them, each once")
    strange = sorted(set(approval) - set(names))
    if strange:
        raise ValueError(f"approval: {', '.join(strange)} is not among the environments")
