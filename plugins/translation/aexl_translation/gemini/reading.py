"""From a body of generateContent to a request in no dialect's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from aexl_translation.fields.rules import Check
from aexl_translation.gemini.schemas import camel, json_schema
from aexl_translation.opaque import unseal
from aexl_translation.pivot import (
    Effort,
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

_EFFORTS: Final[Mapping[str, Effort]] = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
_MODES: Final[Mapping[str, Literal["auto", "none", "required"]]] = {
    "MODE_UNSPECIFIED": "auto",
    "AUTO": "auto",
    "VALIDATED": "auto",
    "ANY": "required",
    "NONE": "none",
}


def read(body: Mapping[str, object], check: Check) -> Request:
    """Return the request that a body makes; whether it asks for a stream is in its path.

    Raises:
        Untranslatable: If a field is refused or has a wrong type.
    """
    body = camel(body)
    check("request", body)
    config = camel(as_object(body.get("generationConfig") or {}, "generationConfig"))
    check("config", config, "generationConfig.")
    reader = _Contents(check)
    logprobs = as_flag(config.get("responseLogprobs"), "generationConfig.responseLogprobs")
    stop = as_list(config.get("stopSequences"), "generationConfig.stopSequences")
    return Request(
        origin="gemini",
        instructions=reader.instructions(body.get("systemInstruction")),
        turns=reader.turns(body.get("contents")),
        tools=_tools(body.get("tools"), check),
        tool_choice=_choice(body.get("toolConfig"), check),
        format=_format(config),
        thinking=_thinking(config.get("thinkingConfig"), check),
        limit=as_count(config.get("maxOutputTokens"), "generationConfig.maxOutputTokens"),
        stop=[as_text(one, "generationConfig.stopSequences") for one in stop],
        temperature=as_number(config.get("temperature"), "generationConfig.temperature"),
        top_p=as_number(config.get("topP"), "generationConfig.topP"),
        top_k=as_count(config.get("topK"), "generationConfig.topK"),
        frequency_penalty=as_number(config.get("frequencyPenalty"), "generationConfig.frequencyPenalty") or None,
        presence_penalty=as_number(config.get("presencePenalty"), "generationConfig.presencePenalty") or None,
        seed=as_count(config.get("seed"), "generationConfig.seed"),
        logprobs=(as_count(config.get("logprobs"), "generationConfig.logprobs") or 0) if logprobs else None,
        service_tier=as_text(body.get("serviceTier"), "serviceTier").lower() or None,
    )


class _Contents:
    """Reads contents in order; calls without an id get one by their name and number."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._called: dict[str, int] = {}
        self._answered: dict[str, int] = {}

    def instructions(self, value: object) -> list[Text]:
        if isinstance(value, str):
            return [Text(value)]
        if value is None:
            return []
        content = camel(as_object(value, "systemInstruction"))
        self._check("content", content, "systemInstruction.")
        parts = self._parts(content.get("parts"), "systemInstruction.parts")
        texts = [part for part in parts if isinstance(part, Text)]
        if len(texts) != len(parts):
            raise Untranslatable("systemInstruction may only have text", "systemInstruction")
        return texts

    def turns(self, value: object) -> list[Turn]:
        if isinstance(value, str):
            return [Turn("user", [Text(value)])]
        contents = [value] if isinstance(value, dict) else as_list(value, "contents")
        turns = []
        for number, one in enumerate(contents):
            content = camel(as_object(one, f"contents[{number}]"))
            where = f"contents[{number}]."
            self._check("content", content, where)
            role = content.get("role", "user")
            if role not in ("user", "model", "function"):
                raise wrong(role, "user or model", f"{where}role")
            parts = self._parts(content.get("parts"), f"{where}parts")
            turns.append(Turn("assistant" if role == "model" else "user", parts))
        return turns

    def _parts(self, value: object, where: str) -> list[Part]:
        if isinstance(value, str):
            return [Text(value)]
        values = [value] if isinstance(value, dict) else as_list(value, where)
        parts: list[Part] = []
        for number, one in enumerate(values):
            part = camel(as_object(one, f"{where}[{number}]"))
            self._check("part", part, f"{where}[{number}].")
            for found in self._part(part, f"{where}[{number}]."):
                last = parts[-1] if parts else None
                if isinstance(found, Reasoning) and isinstance(last, Reasoning) and not last.opaque:
                    found.text = last.text + found.text  # what was thought comes in pieces, the last of them signed
                    parts[-1] = found
                else:
                    parts.append(found)
        return parts

    def _part(self, part: Mapping[str, object], where: str) -> list[Part]:
        signature = as_text(part.get("thoughtSignature"), f"{where}thoughtSignature")
        if part.get("thought"):
            return [unseal(signature, as_text(part.get("text"), f"{where}text"), "gemini")]
        found: list[Part] = [unseal(signature, "", "gemini")] if signature else []
        if "functionCall" in part:
            found.append(self._call(camel(as_object(part["functionCall"], f"{where}functionCall")), where))
        elif "functionResponse" in part:
            found.append(self._result(camel(as_object(part["functionResponse"], f"{where}functionResponse")), where))
        elif "inlineData" in part or "fileData" in part:
            found.append(self._media(part, where))
        elif "text" in part:
            text = as_text(part["text"], f"{where}text")
            if text or not signature:
                found.append(Text(text))
        return found

    def _call(self, call: Mapping[str, object], where: str) -> ToolCall:
        self._check("functionCall", call, f"{where}functionCall.")
        name = as_text(call.get("name"), f"{where}functionCall.name")
        arguments = msgspec.json.encode(as_object(call.get("args") or {}, f"{where}functionCall.args")).decode()
        return ToolCall(self._id(call, name, self._called), name, arguments)

    def _id(self, value: Mapping[str, object], name: str, counts: dict[str, int]) -> str:
        counts[name] = number = counts.get(name, -1) + 1
        return as_text(value.get("id"), "id") or f"call_{name}_{number}"

    def _result(self, result: Mapping[str, object], where: str) -> ToolResult:
        where += "functionResponse."
        self._check("functionResponse", result, where)
        name = as_text(result.get("name"), f"{where}name")
        response = as_object(result.get("response") or {}, f"{where}response")
        parts = self._parts(result.get("parts"), f"{where}parts")
        text = Text(_words(response))
        media = [part for part in parts if isinstance(part, Media)]
        failed = set(response) == {"error"}
        return ToolResult(self._id(result, name, self._answered), [text, *media], failed, name)

    def _media(self, part: Mapping[str, object], where: str) -> Media:
        key = "inlineData" if "inlineData" in part else "fileData"
        found = camel(as_object(part[key], f"{where}{key}"))
        self._check(key, found, f"{where}{key}.")
        kind = as_text(found.get("mimeType"), f"{where}{key}.mimeType")
        sort: Literal["image", "audio", "file"] = "file"
        if kind.startswith("image/"):
            sort = "image"
        elif kind.startswith("audio/"):
            sort = "audio"
        return Media(
            sort,
            kind,
            as_text(found.get("data"), f"{where}{key}.data"),
            as_text(found.get("fileUri"), f"{where}{key}.fileUri"),
            name=as_text(found.get("displayName"), f"{where}{key}.displayName"),
        )


def _words(response: Mapping[str, object]) -> str:
    """Return a result as text: the one value that clients wrap, or all of it as JSON."""
    if len(response) == 1:
        [(name, value)] = response.items()
        if name in ("output", "result", "error") and isinstance(value, str):
            return value
    return msgspec.json.encode(response).decode()


def _tools(value: object, check: Check) -> list[Tool]:
    tools = []
    for number, one in enumerate(as_list(value, "tools")):
        where = f"tools[{number}]."
        tool = camel(as_object(one, f"tools[{number}]"))
        for name, asked in tool.items():
            if name != "functionDeclarations" and asked is not None:  # an empty object switches a server's tool on
                check("tool", {name: asked or True}, where)
        for place, declared in enumerate(as_list(tool.get("functionDeclarations"), f"{where}functionDeclarations")):
            below = f"{where}functionDeclarations[{place}]."
            function = camel(as_object(declared, below))
            check("function", function, below)
            schema = function.get("parametersJsonSchema")
            if schema is None and function.get("parameters") is not None:
                schema = json_schema(function["parameters"])
            name = as_text(function.get("name"), f"{below}name")
            tools.append(Tool(name, as_text(function.get("description"), f"{below}description"), schema))
    return tools


def _choice(value: object, check: Check) -> ToolChoice | None:
    if value is None:
        return None
    config = camel(as_object(value, "toolConfig"))
    check("toolConfig", config, "toolConfig.")
    calling = camel(as_object(config.get("functionCallingConfig") or {}, "toolConfig.functionCallingConfig"))
    check("calling", calling, "toolConfig.functionCallingConfig.")
    mode = calling.get("mode")
    if mode is None:
        return None
    found = _MODES.get(str(mode).upper())
    if found is None:
        raise wrong(mode, "AUTO, ANY, VALIDATED or NONE", "toolConfig.functionCallingConfig.mode")
    names = [as_text(name, "name") for name in as_list(calling.get("allowedFunctionNames"), "allowedFunctionNames")]
    return ToolChoice("named", names) if found == "required" and len(names) == 1 else ToolChoice(found, names)


def _format(config: Mapping[str, object]) -> Format | None:
    kind = config.get("responseMimeType")
    if kind in (None, "text/plain"):
        return None
    schema = config.get("responseJsonSchema")
    if schema is None and config.get("responseSchema") is not None:
        schema = json_schema(config["responseSchema"])
    if kind != "application/json":
        raise wrong(kind, "text/plain or application/json", "generationConfig.responseMimeType")
    return Format("object") if schema is None else Format("schema", schema=schema)


def _thinking(value: object, check: Check) -> Thinking | None:
    if value is None:
        return None
    config = camel(as_object(value, "thinkingConfig"))
    check("thinkingConfig", config, "generationConfig.thinkingConfig.")
    shown = as_flag(config.get("includeThoughts"), "generationConfig.thinkingConfig.includeThoughts")
    budget = as_count(config.get("thinkingBudget"), "generationConfig.thinkingConfig.thinkingBudget")
    level = config.get("thinkingLevel")
    effort = None
    if level not in (None, "THINKING_LEVEL_UNSPECIFIED"):
        effort = _EFFORTS.get(str(level).upper())
        if effort is None:
            raise wrong(level, "MINIMAL, LOW, MEDIUM or HIGH", "generationConfig.thinkingConfig.thinkingLevel")
    if budget == 0:
        return Thinking("off", shown=shown)
    if budget is not None and budget < 0:  # as much as the model likes
        return Thinking("adaptive", None, effort, shown)
    return Thinking("on" if budget is not None else None, budget, effort, shown)
