"""How much of a promise ``make test`` tries where many cases hold it, and what every test would pay for anew."""

from __future__ import annotations

import functools
import gc
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every n-th case of a test that is ``sampled(n)`` be tried by ``make test``; the others are ``long``."""
    seen: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is not None:
            test = item.nodeid.partition("[")[0]
            if seen[test] % mark.args[0]:
                item.add_marker(pytest.mark.long)
            seen[test] += 1


def pytest_configure() -> None:
    """Hear SIGINT: a shell lets what it starts in the background ignore it, and every program that a test starts would, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """Look for no garbage while ten thousand tests are made, nor among them ever after: they stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context() -> Iterator[None]:
    """Let clients share a TLS context: httpx reads all authorities, 30 ms of work, for each one, even for plain HTTP."""
    with pytest.MonkeyPatch.context() as patch:
        if "httpx" in sys.modules:  # some test of this run imports it
            from httpx._transports import default

            patch.setattr(default, "create_ssl_context", functools.cache(default.create_ssl_context))
        yield
