"""Calling a tool of an MCP server: a program that is started for this one call, or an address."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from aexl.api import Host, Process, ProcessSpec, Upstream
from aexl.errors import Invalid, Unavailable
from aexl_pipelines.execution.mcp import messages

SECONDS: Final = 600.0
"""The longest that a server may take for one call, unless the step's timeout is shorter."""

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an answer."""

_ENDPOINTS: Final = ("http://", "https://")


async def call_server(
    host: Host, server: str, tool: str, arguments: object, *, cwd: Path, env: Mapping[str, str]
) -> tuple[str, bool]:
    """Return what a tool answers, and whether it says that it failed.

    Args:
        server: A command line, split as a shell would and run without one; or an address (streamable HTTP).

    Raises:
        Invalid: If the server refuses: no such tool, wrong arguments.
        NotFound: If there is no such program.
        Unavailable: If it cannot be reached, ends, or does not answer.
    """
    with trio.move_on_after(SECONDS):
        if server.startswith(_ENDPOINTS):
            return await _over_http(host, server, tool, arguments)
        return await _over_stdio(host, server, tool, arguments, cwd, env)
    raise Unavailable(f"the MCP server {server!r} did not answer for {SECONDS:g} seconds")


async def _over_stdio(
    host: Host, server: str, tool: str, arguments: object, cwd: Path, env: Mapping[str, str]
) -> tuple[str, bool]:
    try:
        argv = shlex.split(server)
    except ValueError as error:
        raise Invalid(f"the MCP server {server!r} is no command line: {error}") from error
    spec = ProcessSpec(argv=argv, env=env, cwd=cwd, converse=True, cancel=((15, 0.3),), line_limit=LARGEST)
    async with host.spawn(spec) as process:
        await process.stderr.aclose()
        await process.send(messages.encode(messages.initialize(host.version)))
        await _answer(process, messages.INITIALIZE, server)
        await process.send(messages.encode(messages.initialized()))
        await process.send(messages.encode(messages.call(tool, arguments)))
        answered = messages.text_of(await _answer(process, messages.CALL, server))
        process.end_input()
    return answered


async def _answer(process: Process, number: int, server: str) -> Mapping[str, object]:
    async for line in process.lines:
        message = messages.read(line)
        if message is None:
            continue
        refusal = messages.refusal(message)
        if refusal is not None:
            await process.send(messages.encode(refusal))
        elif message.get("id") == number:
            return messages.result_of(message, server)
    code = await process.wait()
    raise Unavailable(f"the MCP server {server!r} ended with exit code {code} instead of answering")


async def _over_http(host: Host, server: str, tool: str, arguments: object) -> tuple[str, bool]:
    conversation = _Conversation(host, server)
    await conversation.post(messages.initialize(host.version), messages.INITIALIZE)
    await conversation.post(messages.initialized(), None)
    return messages.text_of(await conversation.post(messages.call(tool, arguments), messages.CALL))


class _Conversation:
    """Requests to one server, in the session that it gave us."""

    def __init__(self, host: Host, server: str) -> None:
        import httpx

        self._transport = host.transport(Upstream(private=True))
        self._url = httpx.URL(server)
        self._server = server
        self._session: dict[str, str] = {}

    async def post(self, message: Mapping[str, object], number: int | None) -> Mapping[str, object]:
        """Send a message, and return the result of the request with this number."""
        import httpx

        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": messages.PROTOCOL,
            "connection": "close",
            **self._session,
        }
        request = httpx.Request("POST", self._url, headers=headers, content=messages.encode(message))
        try:
            response = await self._transport.handle_async_request(request)
            data = await _read_body(response, self._server)
        except httpx.TransportError as error:
            raise Unavailable(f"the MCP server {self._server!r} could not be reached: {error}") from error
        if response.status_code >= 400:
            raise Unavailable(f"the MCP server {self._server!r} answered with the status {response.status_code}")
        if session := response.headers.get("mcp-session-id"):
            self._session = {"mcp-session-id": session}
        if number is None:
            return {}
        streamed = response.headers.get("content-type", "").startswith("text/event-stream")
        for line in _events(data) if streamed else (data,):
            found = messages.read(line)
            if found is not None and found.get("id") == number:
                return messages.result_of(found, self._server)
        raise Unavailable(f"the MCP server {self._server!r} did not answer the request")


async def _read_body(response: object, server: str) -> bytes:
    import httpx

    assert isinstance(response, httpx.Response)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    data = bytearray()
    try:
        async for chunk in response.stream:
            data += chunk
            if len(data) > LARGEST:
                raise Unavailable(f"the MCP server {server!r} answered with more than {LARGEST} bytes")
    finally:
        with trio.move_on_after(5, shield=True):
            await response.stream.aclose()
    return bytes(data)


def _events(data: bytes) -> list[bytes]:
    """Return the data of each server-sent event."""
    found = []
    for block in data.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
        if lines:
            found.append(b"\n".join(lines))
    return found
