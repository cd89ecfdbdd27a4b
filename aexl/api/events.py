"""What the host publishes while it runs. Subscribers may miss some; the ledger does not."""

from __future__ import annotations

import msgspec

from aexl.api.records import Booked, Call, Outcome, Plan
from aexl.errors import Refused


class CallAdmitted(msgspec.Struct, frozen=True, kw_only=True):
    """A call has its hold and goes to its provider."""

    call: Call
    plan: Plan


class CallDenied(msgspec.Struct, frozen=True, kw_only=True):
    """A gate or the book refused a call."""

    call: Call
    refused: Refused


class CallSettled(msgspec.Struct, frozen=True, kw_only=True):
    """A call has been booked."""

    call: Call
    outcome: Outcome
    booked: Booked


class ConfigReloaded(msgspec.Struct, frozen=True, kw_only=True):
    """Another configuration is in force; ``digest`` is the SHA-256 of its canonical form."""

    digest: str
