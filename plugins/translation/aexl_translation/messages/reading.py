"""From a body of Messages to a request in no dialect's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from aexl_translation.fields.messages import IGNORED_TYPES, REFUSED_TYPES
from aexl_translation.fields.rules import Check
from aexl_translation.opaque import unseal
from aexl_translation.pivot import (
    Format,
    Media,
    Part,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
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
    show,
    wrong,
)
from aexl_translation.values import read_effort, unknown_type

_MODES: Final = {"enabled": "on", "disabled": "off", "adaptive": "adaptive", "between_tools": "adaptive"}


def read(body: Mapping[str, object], check: Check) -> Request:
    """Return the request that a body makes.

    Raises:
        Untranslatable: If a field is refused or has a wrong type.
    """
    check("request", body)
    reader = _Reader(check)
    metadata = body.get("metadata")
    if metadata is not None:
        check("metadata", as_object(metadata, "metadata"), "metadata.")
    choice, parallel = _choice(body.get("tool_choice"), check)
    config = as_object(body.get("output_config") or {}, "output_config")
    check("output_config", config, "output_config.")
    return Request(
        origin="messages",
        stream=body.get("stream") is True,
        instructions=reader.texts(body.get("system"), "system"),
        turns=reader.turns(body.get("messages")),
        tools=_tools(body.get("tools"), check),
        tool_choice=choice,
        parallel=parallel,
        format=_format(config.get("format") or body.get("output_format"), check),
        thinking=_thinking(body.get("thinking"), config.get("effort"), check),
        limit=as_count(body.get("max_tokens"), "max_tokens"),
        stop=[as_text(one, "stop_sequences") for one in as_list(body.get("stop_sequences"), "stop_sequences")],
        temperature=as_number(body.get("temperature"), "temperature"),
        top_p=as_number(body.get("top_p"), "top_p"),
        top_k=as_count(body.get("top_k"), "top_k"),
        user=as_text(as_object(metadata or {}, "metadata").get("user_id"), "metadata.user_id") or None,
        service_tier=as_text(body.get("service_tier"), "service_tier") or None,
    )


class _Reader:
    """Reads messages and their blocks."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def turns(self, messages: object) -> list[Turn]:
        turns = []
        for number, value in enumerate(as_list(messages, "messages")):
            message = as_object(value, f"messages[{number}]")
            where = f"messages[{number}]."
            self._check("message", message, where)
            role = message.get("role")
            if role not in ("user", "assistant", "system"):
                raise wrong(role, "user, assistant or system", f"{where}role")
            if message.get("clear_at") == "next_user_message" and _is_followed(messages, number):
                continue
            turns.append(Turn(role, self.blocks(message.get("content"), f"{where}content")))
        return turns

    def texts(self, content: object, where: str) -> list[Text]:
        texts = []
        for part in self.blocks(content, where):
            if not isinstance(part, Text):
                raise Untranslatable(f"{where} may only have text", where)
            texts.append(part)
        return texts

    def blocks(self, content: object, where: str) -> list[Part]:
        if content is None:
            return []
        if isinstance(content, str):
            return [Text(content)]
        parts: list[Part] = []
        for number, value in enumerate(as_list(content, where)):
            parts += self._block(as_object(value, f"{where}[{number}]"), f"{where}[{number}].")
        return parts

    def _block(self, block: Mapping[str, object], where: str) -> list[Part]:
        kind = block.get("type")
        if kind == "text":
            self._check("text", block, where)
            return [Text(as_text(block.get("text"), f"{where}text"), self._cache(block, where))]
        if kind == "tool_use":
            return [self._tool_use(block, where)]
        if kind == "tool_result":
            return [self._tool_result(block, where)]
        if kind in ("thinking", "redacted_thinking"):
            return [self._thought(block, where, str(kind))]
        if kind == "image":
            self._check("image", block, where)
            return [self._media("image", block, where)]
        if kind == "document":
            self._check("document", block, where)
            context = as_text(block.get("context"), f"{where}context")
            document = self._media("file", block, where)
            document.name = as_text(block.get("title"), f"{where}title")
            return [Text(context), document] if context else [document]
        if kind == "search_result":
            return [self._search_result(block, where)]
        if kind == "tool_reference":
            self._check("tool_reference", block, where)
            return [Text(as_text(block.get("tool_name"), f"{where}tool_name"), self._cache(block, where))]
        raise unknown_type(kind, where, REFUSED_TYPES)

    def _tool_use(self, block: Mapping[str, object], where: str) -> ToolCall:
        self._check("tool_use", block, where)
        given = as_object(block.get("input") or {}, f"{where}input")
        return ToolCall(
            as_text(block.get("id"), f"{where}id"),
            as_text(block.get("name"), f"{where}name"),
            msgspec.json.encode(given).decode(),
            cache=self._cache(block, where),
        )

    def _tool_result(self, block: Mapping[str, object], where: str) -> ToolResult:
        self._check("tool_result", block, where)
        parts = self.blocks(block.get("content"), f"{where}content")
        return ToolResult(
            as_text(block.get("tool_use_id"), f"{where}tool_use_id"),
            [part for part in parts if isinstance(part, Text | Media)],
            as_flag(block.get("is_error"), f"{where}is_error") or False,
            cache=self._cache(block, where),
        )

    def _thought(self, block: Mapping[str, object], where: str, kind: str) -> Reasoning:
        self._check(kind, block, where)
        if kind == "redacted_thinking":
            return unseal(as_text(block.get("data"), f"{where}data"), "", "messages", redacted=True)
        text = as_text(block.get("thinking"), f"{where}thinking")
        return unseal(as_text(block.get("signature"), f"{where}signature"), text, "messages")

    def _search_result(self, block: Mapping[str, object], where: str) -> Media:
        self._check("search_result", block, where)
        found = "\n\n".join(text.text for text in self.texts(block.get("content"), f"{where}content"))
        title, source = as_text(block.get("title"), f"{where}title"), as_text(block.get("source"), f"{where}source")
        return Media("file", "text/plain", text=found, name=f"{title}\n{source}", cache=self._cache(block, where))

    def _media(self, sort: str, block: Mapping[str, object], where: str) -> Media:
        source = as_object(block.get("source"), f"{where}source")
        self._check("source", source, f"{where}source.")
        media = Media("image" if sort == "image" else "file", cache=self._cache(block, where))
        kind = source.get("type")
        data = as_text(source.get("data"), f"{where}source.data")
        if kind == "url":
            media.url = as_text(source.get("url"), f"{where}source.url")
        elif kind == "base64":
            media.media_type = as_text(source.get("media_type"), f"{where}source.media_type")
            media.data = data
        elif kind == "text":
            media.media_type, media.text = "text/plain", data
        elif kind == "content":
            texts = self.texts(source.get("content"), f"{where}source.content")
            media.media_type, media.text = "text/plain", "\n\n".join(text.text for text in texts)
        else:
            raise unknown_type(kind, f"{where}source.", {"file": "the file lies at another provider"})
        return media

    def _cache(self, block: Mapping[str, object], where: str) -> str:
        mark = block.get("cache_control")
        if mark is None:
            return ""
        found = as_object(mark, f"{where}cache_control")
        self._check("cache", found, f"{where}cache_control.")
        return as_text(found.get("ttl"), f"{where}cache_control.ttl") or "5m"


def _is_followed(messages: object, number: int) -> bool:
    """Say whether a later message is the user's."""
    later = messages[number + 1 :] if isinstance(messages, list) else []
    return any(isinstance(message, dict) and message.get("role") == "user" for message in later)


def _tools(value: object, check: Check) -> list[Tool]:
    tools = []
    for number, one in enumerate(as_list(value, "tools")):
        where = f"tools[{number}]."
        tool = as_object(one, f"tools[{number}]")
        kind = tool.get("type")
        if kind in IGNORED_TYPES:
            continue
        if kind not in (None, "custom"):
            raise unknown_type(kind, where, REFUSED_TYPES)
        check("tool_def", tool, where)
        tools.append(
            Tool(
                as_text(tool.get("name"), f"{where}name"),
                as_text(tool.get("description"), f"{where}description"),
                tool.get("input_schema"),
                as_flag(tool.get("strict"), f"{where}strict"),
                cache="5m" if tool.get("cache_control") else "",
            )
        )
    return tools


def _choice(value: object, check: Check) -> tuple[ToolChoice | None, bool | None]:
    if value is None:
        return None, None
    choice = as_object(value, "tool_choice")
    check("tool_choice", choice, "tool_choice.")
    single = as_flag(choice.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use")
    parallel = None if single is None else not single
    kind = choice.get("type")
    if kind == "tool":
        return ToolChoice("named", [as_text(choice.get("name"), "tool_choice.name")]), parallel
    if kind == "any":
        return ToolChoice("required"), parallel
    if kind == "none":
        return ToolChoice("none"), parallel
    if kind == "auto":
        return ToolChoice("auto"), parallel
    raise wrong(kind, "auto, any, tool or none", "tool_choice.type")


def _thinking(value: object, effort: object, check: Check) -> Thinking | None:
    if value is None and effort is None:
        return None
    thinking = Thinking(effort=None if effort is None else read_effort(effort, "output_config.effort"))
    if value is not None:
        config = as_object(value, "thinking")
        check("thinking_config", config, "thinking.")
        mode = _MODES.get(str(config.get("type")))
        if mode is None:
            raise Untranslatable(f"thinking.type is {show(config.get('type'))}, which is not known", "thinking.type")
        thinking.mode = "on" if mode == "on" else "off" if mode == "off" else "adaptive"
        thinking.budget = as_count(config.get("budget_tokens"), "thinking.budget_tokens")
        display = config.get("display")
        thinking.shown = None if display is None else display != "omitted"
    return thinking


def _format(value: object, check: Check) -> Format | None:
    if value is None:
        return None
    form = as_object(value, "output_config.format")
    check("output_format", form, "output_config.format.")
    if form.get("type") != "json_schema":
        raise wrong(form.get("type"), "json_schema", "output_config.format.type")
    return Format("schema", schema=form.get("schema"), strict=True)
