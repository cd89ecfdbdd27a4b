"""From a body of Chat Completions to a request in no dialect's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aexl_translation.fields.chat import REFUSED_TYPES
from aexl_translation.fields.rules import Check
from aexl_translation.media import from_address
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
    wrong,
)
from aexl_translation.values import read_breakpoint, read_effort, read_mode, read_schema, unknown_type


def read(body: Mapping[str, object], check: Check) -> Request:
    """Return the request that a body makes.

    Raises:
        Untranslatable: If a field is refused or has a wrong type.
    """
    check("request", body)
    stop = body.get("stop")
    options = body.get("stream_options")
    request = Request(
        origin="chat",
        stream=body.get("stream") is True,
        limit=as_count(body.get("max_completion_tokens", body.get("max_tokens")), "max_tokens"),
        temperature=as_number(body.get("temperature"), "temperature"),
        top_p=as_number(body.get("top_p"), "top_p"),
        frequency_penalty=as_number(body.get("frequency_penalty"), "frequency_penalty") or None,
        presence_penalty=as_number(body.get("presence_penalty"), "presence_penalty") or None,
        seed=as_count(body.get("seed"), "seed"),
        logit_bias=body.get("logit_bias") or None,
        stop=[stop] if isinstance(stop, str) else [as_text(one, "stop") for one in as_list(stop, "stop")],
        parallel=as_flag(body.get("parallel_tool_calls"), "parallel_tool_calls"),
        verbosity=as_text(body.get("verbosity"), "verbosity") or None,
        user=as_text(body.get("safety_identifier") or body.get("user"), "user") or None,
        cache_key=as_text(body.get("prompt_cache_key"), "prompt_cache_key") or None,
        service_tier=as_text(body.get("service_tier"), "service_tier") or None,
        metadata=body.get("metadata") or None,
    )
    if options is not None:
        check("stream_options", as_object(options, "stream_options"), "stream_options.")
        request.wants_usage = as_object(options, "stream_options").get("include_usage") is True
    if as_flag(body.get("logprobs"), "logprobs"):
        request.logprobs = as_count(body.get("top_logprobs"), "top_logprobs") or 0
    effort = body.get("reasoning_effort")
    if effort is not None:
        request.thinking = Thinking(effort=read_effort(effort, "reasoning_effort"))
    request.tools = _tools(body, check)
    request.tool_choice = _choice(body, check)
    request.format = _format(body.get("response_format"), check)
    _Conversation(request, check).read(as_list(body.get("messages"), "messages"))
    return request


class _Conversation:
    """Reads the messages in order, into the instructions and turns of a request."""

    def __init__(self, request: Request, check: Check) -> None:
        self._request = request
        self._check = check
        self._turns: list[Turn] = []
        self._system: list[Text] = []

    def read(self, messages: Sequence[object]) -> None:
        for number, value in enumerate(messages):
            where = f"messages[{number}]."
            message = as_object(value, f"messages[{number}]")
            role = message.get("role")
            if role in ("system", "developer"):
                self._check("system", message, where)
                texts = self._texts(message.get("content"), where)
                if self._turns:
                    self._turns.append(Turn("system", list[Part](texts)))
                else:
                    self._system += texts
            elif role == "user":
                self._check("user", message, where)
                self._turns.append(Turn("user", self._parts(message.get("content"), where)))
            elif role == "assistant":
                self._check("assistant", message, where)
                self._turns.append(Turn("assistant", self._assistant(message, where)))
            elif role in ("tool", "function"):
                self._check(role, message, where)
                self._result(message, where)
            else:
                raise wrong(role, "system, developer, user, assistant or tool", f"{where}role")
        self._request.turns = self._turns
        self._request.instructions = self._system

    def _result(self, message: Mapping[str, object], where: str) -> None:
        id = message.get("tool_call_id") or f"call_{as_text(message.get('name'), where + 'name')}"
        parts = [part for part in self._parts(message.get("content"), where) if isinstance(part, Text | Media)]
        result = ToolResult(as_text(id, f"{where}tool_call_id"), parts)
        last = self._turns[-1] if self._turns else None
        if last is not None and last.role == "user" and isinstance(last.parts[-1], ToolResult):
            last.parts.append(result)
        else:
            self._turns.append(Turn("user", [result]))

    def _assistant(self, message: Mapping[str, object], where: str) -> list[Part]:
        parts: list[Part] = list(read_reasoning(message))
        parts += self._parts(message.get("content"), where)
        if message.get("refusal"):
            parts.append(Text(as_text(message["refusal"], f"{where}refusal"), refusal=True))
        for number, value in enumerate(as_list(message.get("tool_calls"), f"{where}tool_calls")):
            parts.append(self._call(value, f"{where}tool_calls[{number}]."))
        legacy = message.get("function_call")
        if legacy is not None:
            call = as_object(legacy, f"{where}function_call")
            self._check("call", call, f"{where}function_call.")
            name = as_text(call.get("name"), f"{where}function_call.name")
            parts.append(ToolCall(f"call_{name}", name, as_text(call.get("arguments"), "arguments")))
        return parts

    def _call(self, value: object, where: str) -> ToolCall:
        call = as_object(value, where)
        self._check("tool_call", call, where)
        id = as_text(call.get("id"), f"{where}id")
        if call.get("type") == "custom":
            custom = as_object(call.get("custom"), f"{where}custom")
            self._check("custom_call", custom, f"{where}custom.")
            return ToolCall(id, as_text(custom.get("name"), where), as_text(custom.get("input"), where), "custom")
        function = as_object(call.get("function"), f"{where}function")
        self._check("call", function, f"{where}function.")
        return ToolCall(id, as_text(function.get("name"), where), as_text(function.get("arguments"), where))

    def _texts(self, content: object, where: str) -> list[Text]:
        texts: list[Text] = []
        for part in self._parts(content, where):
            if not isinstance(part, Text):
                raise Untranslatable(f"{where}content may only have text", f"{where}content")
            texts.append(part)
        return texts

    def _parts(self, content: object, where: str) -> list[Part]:
        if content is None:
            return []
        if isinstance(content, str):
            return [Text(content)]
        return [
            self._part(as_object(part, f"{where}content"), f"{where}content[{number}].")
            for number, part in enumerate(as_list(content, f"{where}content"))
        ]

    def _part(self, part: Mapping[str, object], where: str) -> Part:
        kind = part.get("type")
        if kind == "text":
            self._check("text", part, where)
            return Text(as_text(part.get("text"), f"{where}text"), read_breakpoint(part, self._check, where))
        if kind == "refusal":
            self._check("refusal", part, where)
            return Text(as_text(part.get("refusal"), f"{where}refusal"), refusal=True)
        if kind == "image_url":
            self._check("image", part, where)
            image = part.get("image_url")
            image = {"url": image} if isinstance(image, str) else as_object(image, f"{where}image_url")
            self._check("image_url", image, f"{where}image_url.")
            detail = as_text(image.get("detail"), f"{where}image_url.detail")
            media = from_address(as_text(image.get("url"), f"{where}image_url.url"), "image", detail=detail)
        elif kind == "input_audio":
            self._check("audio", part, where)
            audio = as_object(part.get("input_audio"), f"{where}input_audio")
            self._check("input_audio", audio, f"{where}input_audio.")
            sort = as_text(audio.get("format"), f"{where}input_audio.format")
            media = Media("audio", f"audio/{sort}", as_text(audio.get("data"), f"{where}input_audio.data"))
        elif kind == "file":
            self._check("file", part, where)
            file = as_object(part.get("file"), f"{where}file")
            self._check("file_data", file, f"{where}file.")
            data = as_text(file.get("file_data"), f"{where}file.file_data")
            media = from_address(data, "file", name=as_text(file.get("filename"), f"{where}file.filename"))
        else:
            raise unknown_type(kind, where, REFUSED_TYPES)
        media.cache = read_breakpoint(part, self._check, where)
        return media


def read_reasoning(message: Mapping[str, object]) -> list[Reasoning]:
    """Return what a message says was thought: what we had sealed, or else by the keys that servers use."""
    found = []
    for detail in _objects(message.get("reasoning_details")):
        sealed = detail.get("signature") or detail.get("data")
        if isinstance(sealed, str) and sealed.startswith("aexl."):
            text = detail.get("text")
            found.append(unseal(sealed, text if isinstance(text, str) else "", "chat"))
    if found:
        return found
    for key in ("reasoning_content", "reasoning"):
        text = message.get(key)
        if isinstance(text, str) and text:
            return [Reasoning("chat", text, id=key)]
    return []


def _objects(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _tools(body: Mapping[str, object], check: Check) -> list[Tool]:
    tools = []
    for number, value in enumerate(as_list(body.get("tools"), "tools")):
        where = f"tools[{number}]."
        tool = as_object(value, f"tools[{number}]")
        if tool.get("type") == "custom":
            check("tool_def", tool, where)
            custom = as_object(tool.get("custom"), f"{where}custom")
            check("custom_def", custom, f"{where}custom.")
            tools.append(_custom(custom, check, f"{where}custom."))
        elif tool.get("type", "function") == "function":
            check("tool_def", tool, where)
            tools.append(_function(as_object(tool.get("function"), f"{where}function"), check, f"{where}function."))
        else:
            raise unknown_type(tool.get("type"), where, REFUSED_TYPES)
    for number, value in enumerate(as_list(body.get("functions"), "functions")):
        where = f"functions[{number}]."
        tools.append(_function(as_object(value, where), check, where))
    return tools


def _function(function: Mapping[str, object], check: Check, where: str) -> Tool:
    check("function_def", function, where)
    return Tool(
        as_text(function.get("name"), f"{where}name"),
        as_text(function.get("description"), f"{where}description"),
        function.get("parameters"),
        as_flag(function.get("strict"), f"{where}strict"),
    )


def _custom(custom: Mapping[str, object], check: Check, where: str) -> Tool:
    form = custom.get("format")
    if isinstance(form, dict):
        check("custom_format", form, f"{where}format.")
        if form.get("type") == "grammar":
            grammar = as_object(form.get("grammar"), f"{where}format.grammar")
            check("grammar", grammar, f"{where}format.grammar.")
            form = {"type": "grammar", **grammar}
        else:
            form = None
    name = as_text(custom.get("name"), f"{where}name")
    return Tool(name, as_text(custom.get("description"), f"{where}description"), kind="custom", format=form)


def _choice(body: Mapping[str, object], check: Check) -> ToolChoice | None:
    choice = body.get("tool_choice", body.get("function_call"))
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(read_mode(choice, "tool_choice"))
    found = as_object(choice, "tool_choice")
    if "type" not in found:
        check("named", found, "function_call.")
        return ToolChoice("named", [as_text(found.get("name"), "function_call.name")])
    check("tool_choice", found, "tool_choice.")
    kind = found["type"]
    if kind == "allowed_tools":
        allowed = as_object(found.get("allowed_tools"), "tool_choice.allowed_tools")
        check("allowed_tools", allowed, "tool_choice.allowed_tools.")
        names = [_named(as_object(tool, "tools"), check) for tool in as_list(allowed.get("tools"), "tools")]
        return ToolChoice(read_mode(allowed.get("mode"), "tool_choice.allowed_tools.mode"), names)
    return ToolChoice("named", [_named(found, check)])


def _named(choice: Mapping[str, object], check: Check) -> str:
    kind = choice.get("type")
    if kind not in ("function", "custom"):
        raise unknown_type(kind, "tool_choice.", REFUSED_TYPES)
    named = as_object(choice.get(str(kind)), f"tool_choice.{kind}")
    check("named", named, f"tool_choice.{kind}.")
    return as_text(named.get("name"), f"tool_choice.{kind}.name")


def _format(value: object, check: Check) -> Format | None:
    if value is None:
        return None
    form = as_object(value, "response_format")
    check("response_format", form, "response_format.")
    kind = form.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format("object")
    if kind != "json_schema":
        raise wrong(kind, "text, json_object or json_schema", "response_format.type")
    where = "response_format.json_schema"
    schema = as_object(form.get("json_schema"), where)
    check("json_schema", schema, f"{where}.")
    return read_schema(schema, where)
