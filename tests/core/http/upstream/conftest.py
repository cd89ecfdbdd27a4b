import httpx
import pytest

from aexl.api import Upstream
from aexl.core.http.transport import Transport


@pytest.fixture
def clock(autojump_clock):
    """Time that jumps, but leaves the kernel a moment to carry bytes over loopback."""
    autojump_clock.autojump_threshold = 0.02
    return autojump_clock


@pytest.fixture
def make():
    """Makes transports that may speak to loopback and know of no proxies."""

    def make(*, private=True, environ=None, **options):
        extra = {key: options.pop(key) for key in ("resolver", "tls") if key in options}
        return Transport(Upstream(private=private, **options), environ=environ or {}, **extra)

    return make


@pytest.fixture
def post():
    """Makes POST requests with a body of bytes."""

    def post(url, body=b"{}", **options):
        return httpx.Request("POST", url, stream=httpx.ByteStream(body), **options)

    return post


@pytest.fixture
def call():
    """Sends a request and reads the whole answer."""

    async def call(transport, request):
        response = await transport.handle_async_request(request)
        return response.status_code, b"".join([piece async for piece in response.stream])

    return call


@pytest.fixture
def collect():
    """Reads a body into a list, so that what came before an exception can be seen."""

    async def collect(response, into):
        async for piece in response.stream:
            into.append(piece)

    return collect
