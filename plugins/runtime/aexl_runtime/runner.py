"""``python -m aexl_runtime.runner``: one request, one line of JSON, one exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from aexl_runtime.flags import Flags, read_flags
from aexl_runtime.folders import check_entry
from aexl_runtime.protocol.envelopes import Answer
from aexl_runtime.protocol.failures import Failed, fail
from aexl_runtime.protocol.requests import IDENTITIES, MAX_REQUEST, Request, parse_request, read_json

UNWRITTEN: Final = 1
"""Exit status where nobody can read the answer: standard output is full, or its reader has gone."""

_TRUE: Final = frozenset({"1", "true", "yes", "on"})


def main(words: Sequence[str] | None = None) -> None:
    """Run, and end the process with the answer's exit status."""
    _open_missing()
    output = _own_output()
    flags = read_flags(sys.argv[1:] if words is None else words)
    answer = _answer(flags, os.environ)
    pretty = flags.is_on("pretty", "AIEL_PRETTY_JSON", os.environ)
    line = answer.line(debug=flags.debug, pretty=pretty).encode("utf-8", "replace") + b"\n"
    view = memoryview(line)
    try:
        while view:
            view = view[os.write(output, view) :]
    except OSError as error:
        os.write(2, f"runner: error: the answer could not be written: {error.strerror}\n".encode())
        os._exit(UNWRITTEN)
    os._exit(answer.exit)  # to take the interpreter apart in good order takes as long as the call


def _open_missing() -> None:
    """Put an empty file where a standard stream was closed by who started us: its number must not become something else."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _own_output() -> int:
    """Return the real standard output, for the one line; whatever else is printed by this process goes to standard error."""
    output = os.dup(1)
    os.dup2(2, 1)
    return output


def _answer(flags: Flags, environ: Mapping[str, str]) -> Answer:
    root = os.path.realpath(flags.texts.get("files_root") or environ.get("EP_FILES_ROOT") or ".")
    try:
        check_entry(root)
        request = flags.request() if flags.are_request else parse_request(_read_input())
        if flags.is_on("auto_ctx", "AIEL_AUTO_CTX", environ):
            request = _with_credentials(request, environ)
    except Failed as failed:
        return Answer(request_id="unknown", failure=failed.failure)
    return _run(root, request, flags, environ)


def _read_input() -> bytes:
    """Read standard input to its end, or a byte more than is allowed."""
    data = bytearray()
    while len(data) <= MAX_REQUEST and (piece := os.read(0, 64 * 1024)):
        data += piece
    return bytes(data)


def _run(root: str, request: Request, flags: Flags, environ: Mapping[str, str]) -> Answer:
    from aexl_runtime.asking import HttpAsking
    from aexl_runtime.local import run_folder
    from aexl_runtime.sandbox.ports import Policy

    return run_folder(
        root,
        request,
        policy=Policy(),
        ask=HttpAsking(environ.get("AEXL_BASE_URL"), environ.get("AEXL_TOKEN")),
        compat=_compat(flags, environ),
        debug=flags.debug,
        cache=_cache(environ),
        allow_unsandboxed="allow_unsandboxed" in flags.switches,
    )


def _cache(environ: Mapping[str, str]) -> str | None:
    """Return where is kept what this machine can do, if aexl has a home here."""
    from aexl_runtime.sandbox.probing import CACHE_NAME

    home = os.path.expanduser(environ.get("AEXL_HOME") or "~/.aexl")
    return f"{home}/{CACHE_NAME}" if os.path.isdir(home) else None


def _compat(flags: Flags, environ: Mapping[str, str]) -> bool | None:
    said = environ.get("AEXL_RUNTIME_AIEL_COMPAT")
    if said is not None:
        return said.strip().lower() in _TRUE
    return True if "aiel_compat" in flags.switches else None


def _with_credentials(request: Request, environ: Mapping[str, str]) -> Request:
    """Return the request with the ids of the ``aiel`` client's current profile, where it has none of its own."""
    path = os.path.join(environ.get("HOME", ""), ".config", "aiel", "credentials.json")
    try:
        with open(path, "rb") as file:
            data = read_json(file.read(MAX_REQUEST), "credentials.json")
        profile = data["profiles"][data.get("current_profile", "default")]
    except (OSError, KeyError, TypeError, AttributeError) as error:
        if request.ctx:
            return request
        raise fail("request", f"--auto-ctx: {path} has no current profile: {error}") from None
    found = {
        "tenant_id": profile.get("tenant_id"),
        "user_id": profile.get("user_id"),
        "workspace_id": (profile.get("workspace") or {}).get("id"),
        "project_id": (profile.get("project") or {}).get("id"),
    }
    texts = {name: str(found[name]) for name in IDENTITIES if found[name] is not None}
    return request._replace(ctx={**texts, **request.ctx})


if __name__ == "__main__":
    main()
