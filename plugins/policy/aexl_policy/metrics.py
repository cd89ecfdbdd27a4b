"""The gate's numbers for ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterator

from aexl.api import Sample
from aexl_policy.gate import PolicyGate

_WAIT = "aexl_policy_wait_seconds"
_WAIT_HELP = "How long calls waited for their turn."


def collect(gate: PolicyGate) -> Iterator[Sample]:
    """Yield denials by rule, calls that wait now, how long calls waited, and restarts of the policies' process."""
    for rule, count in sorted(gate.denials.items()):
        yield Sample(
            name="aexl_policy_denials_total",
            kind="counter",
            help="Calls refused, by rule.",
            value=count,
            labels={"rule": rule},
        )
    yield Sample(
        name="aexl_policy_waiting",
        kind="gauge",
        help="Calls that wait for their turn.",
        value=gate.limiter.waiting,
    )
    yield Sample(
        name="aexl_policy_worker_restarts_total",
        kind="counter",
        help="Times the process of the user policies was started again.",
        value=gate.restarts,
    )
    waits = gate.limiter.waits
    for bound, count in waits.buckets():
        yield Sample(name=_WAIT, kind="histogram", help=_WAIT_HELP, value=count, labels={"le": bound}, suffix="_bucket")
    yield Sample(name=_WAIT, kind="histogram", help=_WAIT_HELP, value=waits.seconds, suffix="_sum")
    yield Sample(name=_WAIT, kind="histogram", help=_WAIT_HELP, value=waits.count, suffix="_count")
