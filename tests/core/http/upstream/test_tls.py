import datetime as dt
import ssl

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aexl.core.http.upstream.dial import new_context, shared_context
from aexl.core.http.upstream.resolve import resolve
from aexl.testing.upstream import Action, ScriptedServer, chunked_response, response


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a self-signed certificate for api.test, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("api.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def serving(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def secure(make, certificate):
    """Makes transports that trust the certificate and find every name on loopback."""

    def secure(port, **options):
        async def resolver(host, _):
            return await resolve("127.0.0.1", port)

        return make(tls=lambda: ssl.create_default_context(cafile=certificate), resolver=resolver, **options)

    return secure


async def test_exchanges_go_over_one_verified_connection(secure, serving, post, call):
    names = []
    serving.sni_callback = lambda _, name, __: names.append(name)
    async with ScriptedServer([[response(b"ok")], chunked_response(b"a", b"b")], tls=serving) as server:
        transport = secure(server.port)
        assert await call(transport, post("https://api.test/x", b"x" * 300_000)) == (200, b"ok")
        assert await call(transport, post("https://api.test/x")) == (200, b"ab")
        assert server.accepted == 1
        assert names == ["api.test"]
        assert server.requests[0].header(b"host") == b"api.test"
        await transport.aclose()


async def test_another_hosts_certificate_is_refused_before_anything_is_sent(secure, serving, post):
    async with ScriptedServer([], tls=serving) as server:
        transport = secure(server.port)
        with pytest.raises(httpx.ConnectError, match=r"TLS.*other") as caught:
            await transport.handle_async_request(post("https://other.test/"))
        assert caught.value.sent is False
        await transport.aclose()


async def test_an_unknown_authority_is_refused(make, serving, post):
    async with ScriptedServer([], tls=serving) as server:
        transport = make()
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await transport.handle_async_request(post(f"https://127.0.0.1:{server.port}/"))
        await transport.aclose()


async def test_a_server_that_does_not_speak_tls_is_an_error(secure, post):
    async def plain(stream):
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.receive_some()

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, plain, [listener])
        transport = secure(listener.socket.getsockname()[1])
        with pytest.raises(httpx.ConnectError, match="TLS") as caught:
            await transport.handle_async_request(post("https://api.test/"))
        assert caught.value.sent is False
        await transport.aclose()
        nursery.cancel_scope.cancel()


async def test_a_cut_is_a_cut_over_tls_too(secure, serving, post):
    head, chunk, _ = chunked_response(b"data")
    async with ScriptedServer([[head + chunk, Action.RESET], [head + chunk, Action.CLOSE]], tls=serving) as server:
        transport = secure(server.port)
        for _ in range(2):
            answer = await transport.handle_async_request(post("https://api.test/"))
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                _ = [piece async for piece in answer.stream]
        await server.wait_open(0)
        await transport.aclose()


async def test_an_idle_tls_connection_that_was_closed_is_replaced(secure, serving, post, call):
    async with ScriptedServer([[response(b"ok"), Action.CLOSE], [response(b"ok")]], tls=serving) as server:
        transport = secure(server.port)
        assert await call(transport, post("https://api.test/")) == (200, b"ok")
        await server.wait_open(0)
        assert await call(transport, post("https://api.test/")) == (200, b"ok")
        assert server.accepted == 2
        await transport.aclose()


def test_one_context_is_shared_and_verifies():
    context = shared_context()
    assert context is shared_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert new_context() is not context


async def tunnel(stream):
    """A proxy that knows CONNECT, and takes every name for loopback."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some()
    method, target, _ = head.split(b" ", 2)
    assert method == b"CONNECT"
    other = await trio.open_tcp_stream("127.0.0.1", int(target.rsplit(b":", 1)[1]))
    await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
    async with other, trio.open_nursery() as nursery:

        async def relay(source, sink):
            async for data in source:
                await sink.send_all(data)
            nursery.cancel_scope.cancel()

        nursery.start_soon(relay, stream, other)
        nursery.start_soon(relay, other, stream)


async def test_https_goes_through_the_proxy_of_the_environment(secure, serving, post, call):
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with (
        ScriptedServer([[response(b"ok")], [response(b"ok")]], tls=serving) as server,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(trio.serve_listeners, tunnel, [listener])
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{listener.socket.getsockname()[1]}"}
        transport = secure(1, environ=environ, private=False)
        for _ in range(2):
            assert await call(transport, post(f"https://api.test:{server.port}/v1/x")) == (200, b"ok")
        assert server.accepted == 1
        assert server.requests[0].target == b"/v1/x"
        assert server.requests[0].body == b"{}"
        await transport.aclose()
        nursery.cancel_scope.cancel()


async def serve_http2(stream):
    """Answers every request with its path, over HTTP/2."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    await stream.send_all(connection.data_to_send())
    paths = {}
    async for data in stream:
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = dict(event.headers)
                paths[event.stream_id] = headers[b":authority"] + headers[b":path"]
            elif isinstance(event, h2.events.StreamEnded):
                connection.send_headers(event.stream_id, [(":status", "200"), ("x-request-id", "r")])
                connection.send_data(event.stream_id, paths[event.stream_id], end_stream=True)
        await stream.send_all(connection.data_to_send())


async def test_http2_is_spoken_where_it_is_asked_for(secure, serving, post, call):
    serving.set_alpn_protocols(["h2"])

    async def serve(stream):
        await serve_http2(trio.SSLStream(stream, serving, server_side=True))

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        transport = secure(listener.socket.getsockname()[1], http2=True)
        assert await call(transport, post("https://api.test/v1/x")) == (200, b"api.test/v1/x")
        answer = await transport.handle_async_request(post("https://api.test/v1/y"))
        assert answer.extensions["http_version"] == b"HTTP/2"
        assert answer.headers["x-request-id"] == "r"
        await answer.aclose()
        await transport.aclose()
        nursery.cancel_scope.cancel()
