"""What the base URL of a server may be. Where it leads is judged when it is connected to (``aexl.api.Upstream``)."""

from __future__ import annotations

from urllib.parse import urlsplit


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
