"""What a call consumed, as an event has it."""

from __future__ import annotations

from aexl.api import Usage
from aexl_ledger.outcomes import describe_usage, read_usage


def test_every_class_of_usage_is_read_back_as_it_was_described() -> None:
    usage = Usage(input_tokens=5, output_tokens=2, tier="flex", parts={"input_audio": 3}, units={"millisecond": 1500})
    assert read_usage(describe_usage(usage)) == usage
    assert describe_usage(Usage()) == {}
