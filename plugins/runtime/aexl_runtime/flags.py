"""The runner's flags, read without ``argparse``, which takes longer to import than all of a run's reading."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from aexl_runtime.protocol.failures import fail
from aexl_runtime.protocol.requests import ACTIONS, KINDS, Request, read_json, request_of

_TEXTS: Final = {
    "--files-root": "files_root",
    "--action": "action",
    "--kind": "kind",
    "--handler": "handler",
    "--name": "name",
    "--event": "event",
    "--payload": "payload",
    "--ctx": "ctx",
    "--timeout-ms": "timeout_ms",
    "--request-id": "request_id",
    "--trace-id": "trace_id",
    "--schema-version": "schema_version",
}
_SWITCHES: Final = {
    "--pretty": "pretty",
    "--auto-ctx": "auto_ctx",
    "--debug": "debug",
    "--no-traceback": "no_traceback",
    "--keep-warm": "keep_warm",
    "--aiel-compat": "aiel_compat",
    "--allow-unsandboxed": "allow_unsandboxed",
}
_REQUEST: Final = frozenset({"action", "kind", "handler", "name", "event", "payload"})
"""What says what shall be done, and not only for whom."""

_CHOICES: Final = {"--action": ACTIONS, "--kind": KINDS}
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})

USAGE: Final = f"""usage: python -m aexl_runtime.runner [OPTIONS] < REQUEST

Reads one request as JSON from standard input, or takes it from flags, and answers with one line of JSON.
With a flag that says what to do (--action, --kind, --handler, --name, --event, --payload) the flags are the request,
and standard input is not read.

  --files-root DIR        the project; by default $EP_FILES_ROOT, else the working folder
  --action ACTION         {", ".join(ACTIONS)}
  --kind KIND             {", ".join(KINDS)}
  --handler, --name NAME  the handler; for execute: module.function
  --event, --payload JSON an object
  --ctx JSON              tenant_id, workspace_id, project_id, user_id
  --timeout-ms N          for import and call together (30000)
  --request-id, --trace-id, --schema-version TEXT
  --auto-ctx              ids from the aiel client's credentials, where --ctx says nothing
  --aiel-compat           answer 'import aiel_sdk'
  --allow-unsandboxed     run even where the sandbox cannot hold what is required; the answer says so
  --debug, --no-traceback tracebacks in errors
  --pretty                more than one line
  --keep-warm             accepted, without effect
"""


class Flags(NamedTuple):
    """What the command line says."""

    texts: Mapping[str, str] = {}
    switches: frozenset[str] = frozenset()

    @property
    def are_request(self) -> bool:
        """The flags are the request, and nothing is read."""
        return not _REQUEST.isdisjoint(self.texts)

    @property
    def debug(self) -> bool:
        """Tracebacks are shown."""
        return "debug" in self.switches and "no_traceback" not in self.switches

    def is_on(self, switch: str, variable: str | None, environ: Mapping[str, str]) -> bool:
        """Return whether a switch is on; its variable, where it is set, decides."""
        said = environ.get(variable, "").strip().lower() if variable else ""
        if said in _YES:
            return True
        return said not in _NO and switch in self.switches

    def request(self) -> Request:
        """Return the request that the flags make.

        Raises:
            Failed: If a value is not acceptable.
        """
        texts = self.texts
        data: dict[str, Any] = {key: texts[key] for key in ("action", "kind", "handler", "name") if key in texts}
        data["schema_version"] = texts.get("schema_version", "v1")
        for key in ("event", "payload"):
            if key in texts:
                data[key] = read_json(texts[key], "payload/event")
                if not isinstance(data[key], dict):
                    raise fail("request", "payload/event must be a JSON object")
        for key in ("ctx", "http", "mcp"):
            if key in texts:
                data[key] = read_json(texts[key], key)
        meta: dict[str, Any] = {key: texts[key] for key in ("request_id", "trace_id") if key in texts}
        if "timeout_ms" in texts:
            number = texts["timeout_ms"]
            meta["timeout_ms"] = int(number) if number.isascii() and number.isdigit() else number
        return request_of({**data, "meta": meta})


def read_flags(words: Sequence[str]) -> Flags:
    """Read the words of a command line; ends the process with status 2 where they are none of it, as ``argparse`` does."""
    texts: dict[str, str] = {}
    switches: set[str] = set()
    rest = list(words)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        if word in ("-h", "--help"):
            sys.stdout.write(USAGE)
            sys.exit(0)
        if word in _SWITCHES and not equals:
            switches.add(_SWITCHES[word])
        elif word in _TEXTS:
            if not equals:
                if not rest:
                    _refuse(f"argument {word}: expected one argument")
                value = rest.pop(0)
            if word in _CHOICES and value not in _CHOICES[word]:
                _refuse(f"argument {word}: invalid choice: {value!r} (choose from {', '.join(_CHOICES[word])})")
            texts[_TEXTS[word]] = value
        else:
            _refuse(f"unrecognized arguments: {word}")
    return Flags(texts=texts, switches=frozenset(switches))


def _refuse(problem: str) -> NoReturn:
    sys.stderr.write(f"{USAGE.partition(chr(10))[0]}\nrunner: error: {problem}\n")
    sys.exit(2)
