"""The connector ``openai``: models through the governed call path, paid by an agent of the server's owner.

The provider's key is not this connector's: the models are those of ``[models]``, with
their prices, limits and providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from aexl.api import ActionCall, ActionResult, ConnectorSettings, Host, Models
from aexl.errors import ConfigError, Invalid, NotFound, Problem
from aexl_plane.integrations.asking import Door, Payer

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]

RESPONSES: Final = Door("responses", "/responses", ("max_output_tokens",))
CHAT: Final = Door("chat", "/chat/completions", ("max_completion_tokens", "max_tokens"))
EMBEDDINGS: Final = Door("embeddings", "/embeddings", ("max_tokens",))

_UNGOVERNED: Final = {
    "stream": "an action is answered at once",
    "stream_options": "an action is answered at once",
    "background": "what it costs is not known when it is answered",
    "conversation": "nobody here knows whose it is",
    "previous_response_id": "nobody here knows whose it is; send the earlier items as input",
}
"""Parameters that would leave the governed path, or reach what is somebody else's, and why."""


class OpenAITable(msgspec.Struct, frozen=True, kw_only=True):
    """The connector's own keys.

    Attributes:
        agent: Who pays, an agent of the ledger; its budgets, limits and policy hold.
        model: What is asked where the caller names no model.
        embedding_model: The same for embeddings.
    """

    agent: Text
    model: str = ""
    embedding_model: str = ""


class OpenAIType:
    """A value of ``provider``: ``openai``."""

    name = "openai"
    version = "1.0"
    actions: Mapping[str, str] = {
        "openai.responses.create": "Ask a model, in the words of the Responses API.",
        "openai.responses.create_json": "The same, for an answer that is JSON, of a schema if one is given.",
        "openai.chat.completions.create": "Ask a model, in the words of Chat Completions.",
        "openai.embeddings.create": "Turn texts into vectors.",
        "openai.ping": "Say whether models can be asked, without asking one.",
    }

    def __init__(self, host: Host) -> None:
        self._host = host

    def build(self, settings: ConnectorSettings) -> OpenAIConnector:
        """Make a connector; see ``aexl.api.ConnectorType``."""
        table = settings.read(OpenAITable)
        if settings.credential is not None:
            message = "has no place here: a model's provider has the key, see [providers.<name>] api_key_env"
            raise ConfigError([Problem(key=f"integrations.{settings.name}.credential", message=message)])
        return OpenAIConnector(self._host, table, settings.name)


class OpenAIConnector:
    """See the module, and ``aexl.api.Connector``."""

    def __init__(self, host: Host, table: OpenAITable, name: str) -> None:
        self._host = host
        self._table = table
        self._payer = Payer(host, table.agent, name)

    async def check(self, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002 - nothing is to be chosen
        """Say which models there are; asks none."""
        return await self._ping()

    async def invoke(self, call: ActionCall) -> ActionResult:
        """Run an action."""
        params = dict(call.params)
        if call.action == "openai.ping":
            return ActionResult(value=await self._ping())
        if call.action == "openai.embeddings.create":
            body = _body(params, self._table.embedding_model or self._table.model, "input")
            return await self._payer.ask(call, EMBEDDINGS, body)
        if call.action == "openai.chat.completions.create":
            return await self._payer.ask(call, CHAT, _body(params, self._table.model, "messages"))
        if call.action == "openai.responses.create_json":
            return await self._create_json(call, params)
        return await self._payer.ask(call, RESPONSES, _body(params, self._table.model, "input"))

    async def close(self) -> None:
        """End the payer's token."""
        await self._payer.close()

    async def _create_json(self, call: ActionCall, params: dict[str, Any]) -> ActionResult:
        schema = params.pop("json_schema", None)
        if schema is not None and not isinstance(schema, dict):
            raise Invalid("json_schema must be an object")
        body = _body(params, self._table.model, "input")
        body["text"] = {"format": _format(schema)}
        result = await self._payer.ask(call, RESPONSES, body)
        text = _output_text(result.value)
        try:
            read = msgspec.json.decode(text)
        except msgspec.DecodeError:
            read = None  # the model did not keep to it, or was cut off: ``output_text`` says what it wrote
        value = {**result.value, "output_text": text, "output_json": read}
        return ActionResult(value=value, execution=result.execution, cost=result.cost)

    async def _ping(self) -> dict[str, Any]:
        principal = await self._payer.ready()
        models = self._host.service(Models)
        names = [] if models is None else [model.name for model in await models.list()]
        if not names:
            raise NotFound("no model is configured on this server")
        return {"ok": principal.state == "ready", "model": self._table.model or None, "models": names[:1000]}


def _body(params: dict[str, Any], usual: str, needed: str) -> dict[str, Any]:
    for name, why in _UNGOVERNED.items():
        if params.get(name) not in (None, False):
            raise Invalid(f"{name} cannot be used here: {why}")
    if params.get(needed) in (None, "", [], {}):
        raise Invalid(f"{needed} is missing")
    model = params.get("model") or usual
    if not isinstance(model, str) or not 1 <= len(model) <= 256:
        raise Invalid("name a model in 'model': this integration has none of its own")
    return {**{key: value for key, value in params.items() if key not in _UNGOVERNED}, "model": model}


def _format(schema: dict[str, Any] | None) -> dict[str, Any]:
    """Return the schema as the Responses API wants it; one that comes wrapped is taken as it is."""
    if schema is None:
        return {"type": "json_object"}
    if schema.get("type") == "json_schema" and isinstance(schema.get("schema"), dict):
        return schema
    if isinstance(schema.get("schema"), dict) and isinstance(schema.get("name"), str):
        return {"type": "json_schema", **schema}
    return {"type": "json_schema", "name": "answer", "schema": schema}


def _output_text(response: Any) -> str:
    output = response.get("output") if isinstance(response, dict) else None
    parts: list[str] = []
    for item in output if isinstance(output, list) else ():
        content = item.get("content") if isinstance(item, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                parts.append(part["text"])
    return "".join(parts)
