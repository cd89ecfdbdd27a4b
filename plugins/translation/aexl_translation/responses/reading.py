"""From a body of Responses to a request in no dialect's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from aexl_translation.fields.responses import REFUSED_TYPES
from aexl_translation.fields.rules import Check
from aexl_translation.media import from_address
from aexl_translation.opaque import unseal
from aexl_translation.pivot import (
    Format,
    Media,
    Part,
    Request,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
    Turn,
)
from aexl_translation.refusals import (
    Untranslatable,
    as_count,
    as_flag,
    as_list,
    as_number,
    as_object,
    as_text,
    wrong,
)
from aexl_translation.values import read_breakpoint, read_effort, read_mode, read_schema, unknown_type

SEARCH: Final = "tool_search"
"""What the tool that searches for tools is called, which has no name of its own in this dialect."""

_OUTPUTS: Final[Mapping[str, ToolKind]] = {"function_call_output": "function", "custom_tool_call_output": "custom"}


def read(body: Mapping[str, object], check: Check) -> Request:
    """Return the request that a body makes.

    Raises:
        Untranslatable: If a field is refused or has a wrong type.
    """
    check("request", body)
    include = as_list(body.get("include"), "include")
    text = as_object(body.get("text") or {}, "text")
    check("text_config", text, "text.")
    tools = _tools(body.get("tools"), check, "tools")
    conversation = _Conversation(check)
    instructions = as_text(body.get("instructions"), "instructions")
    if instructions:
        conversation.system.append(Text(instructions))
    conversation.read(body.get("input"))
    request = Request(
        origin="responses",
        stream=body.get("stream") is True,
        instructions=conversation.system,
        turns=conversation.turns,
        tools=[*tools, *conversation.tools],
        tool_choice=_choice(body.get("tool_choice"), check),
        parallel=as_flag(body.get("parallel_tool_calls"), "parallel_tool_calls"),
        format=_format(text.get("format"), check),
        verbosity=as_text(text.get("verbosity"), "text.verbosity") or None,
        thinking=_thinking(body.get("reasoning"), check),
        limit=as_count(body.get("max_output_tokens"), "max_output_tokens"),
        temperature=as_number(body.get("temperature"), "temperature"),
        top_p=as_number(body.get("top_p"), "top_p"),
        logprobs=as_count(body.get("top_logprobs"), "top_logprobs") or None,
        user=as_text(body.get("safety_identifier") or body.get("user"), "user") or None,
        cache_key=as_text(body.get("prompt_cache_key"), "prompt_cache_key") or None,
        service_tier=as_text(body.get("service_tier"), "service_tier") or None,
        metadata=body.get("metadata") or None,
    )
    if "message.output_text.logprobs" in include and request.logprobs is None:
        request.logprobs = 0
    return request


class _Conversation:
    """Reads the items of the input, in order."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self.system: list[Text] = []
        self.turns: list[Turn] = []
        self.tools: list[Tool] = []

    def read(self, value: object) -> None:
        if isinstance(value, str):
            self.turns.append(Turn("user", [Text(value)]))
            return
        for number, item in enumerate(as_list(value, "input")):
            self._item(as_object(item, f"input[{number}]"), f"input[{number}].")

    def _item(self, item: Mapping[str, object], where: str) -> None:
        kind = item.get("type", "message")
        if kind == "message":
            self._check("message", item, where)
            self._message(item, where)
        elif kind == "function_call":
            self._check("function_call", item, where)
            self._call(item, where, "function", as_text(item.get("arguments"), f"{where}arguments"))
        elif kind == "custom_tool_call":
            self._check("custom_tool_call", item, where)
            self._call(item, where, "custom", as_text(item.get("input"), f"{where}input"))
        elif kind == "tool_search_call":
            self._check("tool_search_call", item, where)
            arguments = msgspec.json.encode(item.get("arguments") or {}).decode()
            self._say("assistant", ToolCall(self._id(item, where), SEARCH, arguments, "search"))
        elif isinstance(kind, str) and kind in _OUTPUTS:
            self._check(kind, item, where)
            parts = self._parts(item.get("output"), f"{where}output")
            found = [part for part in parts if isinstance(part, Text | Media)]
            self._say("user", ToolResult(self._id(item, where), found, kind=_OUTPUTS[kind]))
        elif kind == "tool_search_output":
            self._check("tool_search_output", item, where)
            tools = as_list(item.get("tools"), f"{where}tools")
            self.tools += _tools(list(tools), self._check, f"{where}tools")
            text = Text(msgspec.json.encode(tools).decode())
            self._say("user", ToolResult(self._id(item, where), [text], kind="search"))
        elif kind == "reasoning":
            self._check("reasoning", item, where)
            self._reasoning(item, where)
        elif kind == "additional_tools":
            self._check("additional_tools", item, where)
            self.tools += _tools(item.get("tools"), self._check, f"{where}tools")
        else:
            raise unknown_type(kind, where, REFUSED_TYPES)

    def _message(self, item: Mapping[str, object], where: str) -> None:
        role = item.get("role")
        parts = self._parts(item.get("content"), f"{where}content")
        if role in ("system", "developer"):
            texts = [part for part in parts if isinstance(part, Text)]
            if len(texts) != len(parts):
                raise Untranslatable(f"{where}content may only have text", f"{where}content")
            if self.turns:
                self.turns.append(Turn("system", parts))
            else:
                self.system += texts
        elif role == "assistant":
            for part in parts:
                self._say("assistant", part)
        elif role == "user":
            self.turns.append(Turn("user", parts))
        else:
            raise wrong(role, "user, assistant, system or developer", f"{where}role")

    def _call(self, item: Mapping[str, object], where: str, kind: ToolKind, arguments: str) -> None:
        name = as_text(item.get("name"), f"{where}name")
        namespace = as_text(item.get("namespace"), f"{where}namespace")
        self._say("assistant", ToolCall(self._id(item, where), name, arguments, kind, namespace))

    def _id(self, item: Mapping[str, object], where: str) -> str:
        return as_text(item.get("call_id"), f"{where}call_id")

    def _say(self, role: Role, part: Part) -> None:
        """Add a part to the turn that is open: an answer of the model, or the results of its tools."""
        last = self.turns[-1] if self.turns else None
        if last is not None and last.role == role and (role == "assistant" or isinstance(last.parts[-1], ToolResult)):
            last.parts.append(part)
        else:
            self.turns.append(Turn(role, [part]))

    def _reasoning(self, item: Mapping[str, object], where: str) -> None:
        texts = []
        for name in ("summary", "content"):
            for value in as_list(item.get(name), f"{where}{name}"):
                summary = as_object(value, f"{where}{name}")
                self._check("summary", summary, f"{where}{name}.")
                texts.append(as_text(summary.get("text"), f"{where}{name}.text"))
            if texts:
                break
        sealed = as_text(item.get("encrypted_content"), f"{where}encrypted_content")
        id = as_text(item.get("id"), f"{where}id")
        self._say("assistant", unseal(sealed, "\n\n".join(texts), "responses", id=id))

    def _parts(self, content: object, where: str) -> list[Part]:
        if content is None:
            return []
        if isinstance(content, str):
            return [Text(content)]
        return [
            self._part(as_object(part, where), f"{where}[{number}].")
            for number, part in enumerate(as_list(content, where))
        ]

    def _part(self, part: Mapping[str, object], where: str) -> Part:
        kind = part.get("type")
        if kind in ("input_text", "output_text", "text"):
            self._check("text", part, where)
            return Text(as_text(part.get("text"), f"{where}text"), read_breakpoint(part, self._check, where))
        if kind == "refusal":
            self._check("refusal", part, where)
            return Text(as_text(part.get("refusal"), f"{where}refusal"), refusal=True)
        if kind == "input_image":
            self._check("image", part, where)
            detail = as_text(part.get("detail"), f"{where}detail")
            media = from_address(as_text(part.get("image_url"), f"{where}image_url"), "image", detail=detail)
        elif kind == "input_file":
            self._check("file", part, where)
            url = as_text(part.get("file_data") or part.get("file_url"), f"{where}file_data")
            media = from_address(url, "file", name=as_text(part.get("filename"), f"{where}filename"))
            media.detail = as_text(part.get("detail"), f"{where}detail")
        else:
            raise unknown_type(kind, where, REFUSED_TYPES)
        media.cache = read_breakpoint(part, self._check, where)
        return media


def _tools(value: object, check: Check, where: str, namespace: str = "") -> list[Tool]:
    tools: list[Tool] = []
    for number, one in enumerate(as_list(value, where)):
        tools += _tool(as_object(one, where), check, f"{where}[{number}].", namespace)
    return tools


def _tool(tool: Mapping[str, object], check: Check, where: str, namespace: str) -> list[Tool]:
    kind = tool.get("type")
    name = as_text(tool.get("name"), f"{where}name")
    description = as_text(tool.get("description"), f"{where}description")
    if kind == "function":
        check("function_def", tool, where)
        strict = as_flag(tool.get("strict"), f"{where}strict")
        return [Tool(name, description, tool.get("parameters"), strict, namespace=namespace)]
    if kind == "custom":
        check("custom_def", tool, where)
        form = tool.get("format")
        if isinstance(form, dict):
            check("custom_grammar" if form.get("type") == "grammar" else "custom_text", form, f"{where}format.")
            form = form if form.get("type") == "grammar" else None
        return [Tool(name, description, kind="custom", namespace=namespace, format=form)]
    if kind == "namespace":
        check("namespace_def", tool, where)
        return _tools(tool.get("tools"), check, f"{where}tools", name)
    if kind == "tool_search" and tool.get("execution") == "client":
        check("tool_search_def", tool, where)
        return [Tool(SEARCH, description, tool.get("parameters"), kind="search")]
    reasons = {**REFUSED_TYPES, "tool_search": "it runs at OpenAI, unless its execution is client"}
    raise unknown_type(kind, where, reasons)


def _choice(value: object, check: Check) -> ToolChoice | None:
    if value is None:
        return None
    if isinstance(value, str):
        return ToolChoice(read_mode(value, "tool_choice"))
    choice = as_object(value, "tool_choice")
    check("tool_choice", choice, "tool_choice.")
    kind = choice.get("type")
    if kind == "allowed_tools":
        tools = as_list(choice.get("tools"), "tool_choice.tools")
        names = [as_text(as_object(tool, "tool_choice.tools").get("name"), "tool_choice.tools.name") for tool in tools]
        return ToolChoice(read_mode(choice.get("mode"), "tool_choice.mode"), names)
    if kind in ("function", "custom"):
        return ToolChoice("named", [as_text(choice.get("name"), "tool_choice.name")])
    raise unknown_type(kind, "tool_choice.", REFUSED_TYPES)


def _format(value: object, check: Check) -> Format | None:
    if value is None:
        return None
    form = as_object(value, "text.format")
    check("format", form, "text.format.")
    kind = form.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format("object")
    if kind != "json_schema":
        raise wrong(kind, "text, json_object or json_schema", "text.format.type")
    return read_schema(form, "text.format")


def _thinking(value: object, check: Check) -> Thinking | None:
    if value is None:
        return None
    config = as_object(value, "reasoning")
    check("reasoning_config", config, "reasoning.")
    effort = config.get("effort")
    shown: Literal[True] | None = True if config.get("summary") or config.get("generate_summary") else None
    if effort is None and shown is None:
        return None
    return Thinking(effort=None if effort is None else read_effort(effort, "reasoning.effort"), shown=shown)
