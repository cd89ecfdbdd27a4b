"""What the base URL of a server may be, and what the query of a request says.

Where a URL leads is judged when it is connected to (``aexl.api.Upstream``).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from aexl.errors import Invalid

MOST_PARAMETERS: Final = 50
"""How many parameters a query has at most."""


def base_url_problem(url: str) -> str:
    """Return what is wrong with a base URL, as the end of a sentence; nothing is resolved. Empty if nothing is."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        return f"{url!r} is not a URL: {error}"
    wrong = ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        wrong = "must begin with http:// or https:// and name a host"
    elif parts.username is not None or parts.password is not None:
        wrong = "must not have a user or password in it; keys come from the environment"
    elif parts.query or parts.fragment or url.endswith(("?", "#")):
        wrong = "must not have a query or a fragment"
    elif any(character.isspace() or not character.isprintable() for character in url):
        wrong = "must not have blanks"
    return f"{wrong}: {url!r}" if wrong else ""


def read_query(query: bytes) -> dict[str, str]:
    """Return the parameters of a query string, each of which is there once.

    Raises:
        Invalid: If one is there twice, if there are more than ``MOST_PARAMETERS``, or if they are not UTF-8.
    """
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError as error:
        raise Invalid(f"the query is not acceptable: {error}") from error
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise Invalid(f"the query has {twice[:50]!r} more than once")
    return found
