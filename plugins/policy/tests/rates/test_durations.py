import pytest

from aexl_policy.rates.durations import go_duration, rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (0.0001, "1ms"),
        (0.006, "6ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9991, "1m0s"),
        (62, "1m2s"),
        (62.05, "1m2.05s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_times_are_rounded_up_to_whole_seconds() -> None:
    assert rfc3339(0.1) == "1970-01-01T00:00:01Z"
