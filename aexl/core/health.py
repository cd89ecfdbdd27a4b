"""``/ready``: asking every health check at once."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from aexl.api import HealthCheck


async def ask(checks: Sequence[HealthCheck]) -> dict[str, str | None]:
    """Return for each check what is wrong, or ``None``. One that raises or is too slow has failed."""
    results: dict[str, str | None] = {}

    async def probe(check: HealthCheck) -> None:
        results[check.name] = f"gave no answer within {check.timeout:g} s"
        with trio.move_on_after(check.timeout):
            try:
                results[check.name] = await check.probe()
            except Exception as error:
                results[check.name] = f"{type(error).__name__}: {error}"

    async with trio.open_nursery() as nursery:
        for check in checks:
            nursery.start_soon(probe, check)
    return results


def failed(checks: Sequence[HealthCheck], results: dict[str, str | None]) -> bool:
    """Return whether a critical check found something wrong."""
    return any(check.critical and results.get(check.name) for check in checks)


def describe(results: dict[str, str | None]) -> dict[str, str]:
    """Return results as people read them: ``ok`` where nothing is wrong."""
    return {name: wrong or "ok" for name, wrong in sorted(results.items())}
