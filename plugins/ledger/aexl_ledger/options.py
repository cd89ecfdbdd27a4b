"""The table ``[ledger]`` of the configuration."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl.errors import ConfigError, Problem

TABLE: Final = "ledger"


class LedgerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the ledger is, and its bounds. Sizes in bytes, times in seconds.

    Attributes:
        path: The database, below ``AEXL_HOME`` unless it is absolute.
        queue: Operations that may wait for the writer; more reservations get a 503.
        ballast: Space kept in a file, given up when the disk is full, so that open holds can be settled.
        low_water: Below this much free space new calls are refused, while moving the log into the
            database (see ``checkpoint_bytes``) still fits; 0 looks only at failures.
        answer_retention: How long claims and the answers of keyed calls are kept.
        answer_bytes: The largest answer that is kept.
        answers_bytes: All kept answers together; the oldest go first.
        undelivered_bytes: Answers of calls without a key, kept in memory until they were delivered.
        retry_window: How long after a call began an SDK's own retry may join it.
        flight_wait: How long a call waits for an equal one that is in flight.
        sweep_interval: Between two searches for executions past their deadline.
        sweep_slack: After its deadline an execution gets this long before its hold is booked.
        hold_timeout: The longest an execution may last that has no deadline.
        checkpoint_bytes: Of new log, above which it is moved into the database though calls wait.
    """

    path: str = "ledger.db"
    queue: int = 4096
    ballast: int = 512 * 1024
    low_water: int = 32 * 1024 * 1024
    answer_retention: float = 86400.0
    answer_bytes: int = 1024 * 1024
    answers_bytes: int = 256 * 1024 * 1024
    undelivered_bytes: int = 32 * 1024 * 1024
    retry_window: float = 120.0
    flight_wait: float = 55.0
    sweep_interval: float = 5.0
    sweep_slack: float = 30.0
    hold_timeout: float = 7200.0
    checkpoint_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        problems = [
            Problem(key=f"ledger.{name}", message=f"must be {least} or more, not {getattr(self, name)!r}")
            for name, least in _LEAST.items()
            if not getattr(self, name) >= least
        ]
        if not self.path:
            problems.append(Problem(key="ledger.path", message="must name a file"))
        if problems:
            raise ConfigError(problems)


_LEAST: dict[str, float] = {
    "queue": 1,
    "ballast": 0,
    "low_water": 0,
    "answer_retention": 0,
    "answer_bytes": 0,
    "answers_bytes": 0,
    "undelivered_bytes": 0,
    "retry_window": 0,
    "flight_wait": 0,
    "sweep_interval": 0.01,
    "sweep_slack": 0,
    "hold_timeout": 1,
    "checkpoint_bytes": 65536,
}
