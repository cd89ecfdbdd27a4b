"""What the query of a request says. Base URLs are tried where providers are configured."""

from __future__ import annotations

import pytest

from aexl.api.urls import MOST_PARAMETERS, read_query
from aexl.errors import Invalid


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (b"", {}),
        (b"after=3&limit=", {"after": "3", "limit": ""}),
        (b"q=a+b%20c", {"q": "a b c"}),
        (b"q=%C3%A4", {"q": "ä"}),
    ],
)
def test_a_query_says_this(query: bytes, says: dict[str, str]) -> None:
    assert read_query(query) == says


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (b"after=1&limit=2&after=3", "the query has 'after' more than once"),
        (b"q=%FF", "the query is not acceptable: 'utf-8' codec"),
    ],
)
def test_what_is_not_clear_is_refused(query: bytes, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_query(query)
    assert problem in str(refused.value)


def test_parameters_are_counted() -> None:
    most = "&".join(f"p{number}=1" for number in range(MOST_PARAMETERS))
    assert len(read_query(most.encode())) == MOST_PARAMETERS
    with pytest.raises(Invalid, match="Max number of fields exceeded"):
        read_query(f"{most}&more=1".encode())
