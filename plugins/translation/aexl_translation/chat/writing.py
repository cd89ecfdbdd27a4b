"""From a request in no dialect's words to a body of Chat Completions, as every compatible server takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aexl_translation.fields.written import refuse_unsayable
from aexl_translation.media import address, document_text, joined, unsayable
from aexl_translation.names import Names, fit
from aexl_translation.pivot import Format, Media, Part, Reasoning, Request, Text, Tool, ToolCall, ToolResult, Turn
from aexl_translation.refusals import Untranslatable
from aexl_translation.thinking import effort_of, takes_effort
from aexl_translation.writing import (
    Aim,
    arguments_of,
    description_of,
    last_question,
    offered,
    parameters_of,
    service_tier,
    user_of,
    without_nothing,
)

_TITLE: Final = "Chat Completions"
Json = dict[str, object]


def write(request: Request, aim: Aim, names: Names) -> Json:
    """Return the body, without its output limit.

    Raises:
        Untranslatable: If the request has what Chat Completions cannot say.
    """
    refuse_unsayable(request, "chat")
    if "-search-" in aim.model:
        raise Untranslatable(
            f"the model {aim.model!r} searches the web with every answer, which is only priced for Chat Completions; "
            f"call it there",
            "model",
        )
    tools = [_tool(tool, names) for tool in offered(request)]
    thinking = request.thinking
    takes = takes_effort(aim.model) if aim.effort is None else aim.effort
    return without_nothing(
        {
            "model": aim.model,
            "messages": _messages(request, names),
            "stream": request.stream or None,
            "tools": tools,
            "tool_choice": _choice(request, names) if tools else None,
            "parallel_tool_calls": False if tools and request.parallel is False else None,
            "response_format": _format(request.format),
            "reasoning_effort": effort_of(thinking) if thinking is not None and takes else None,
            "verbosity": request.verbosity if takes else None,
            "stop": request.stop,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "seed": request.seed,
            "user": user_of(request),
            "service_tier": service_tier(request, aim),
        }
    )


def _messages(request: Request, names: Names) -> list[Json]:
    messages: list[Json] = []
    if request.instructions:
        messages.append({"role": "system", "content": joined(request.instructions)})
    question = last_question(request)
    for number, turn in enumerate(request.turns):
        if turn.role == "system":
            messages.append({"role": "system", "content": joined(turn.parts)})
        elif turn.role == "assistant":
            message = _assistant(turn, names, thought=number > question)
            if message is not None:
                messages.append(message)
        else:
            messages += _user(turn)
    return messages


def _user(turn: Turn) -> list[Json]:
    """Return the results of tools, each a message, and then what the user says and shows."""
    messages: list[Json] = []
    shown: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            messages.append({"role": "tool", "tool_call_id": fit(part.id), "content": joined(part.parts)})
            # A tool's message holds words alone; pictures follow as if the user showed them.
            shown += [one for one in part.parts if isinstance(one, Media) and not one.text]
        else:
            shown.append(part)
    if shown:
        messages.append({"role": "user", "content": _content(shown)})
    return messages


def _content(parts: Sequence[Part]) -> object:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_part(part) for part in parts if isinstance(part, Text | Media)]


def _part(part: Text | Media) -> Json:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if part.kind == "image":
        image = {"url": address(part), **({"detail": part.detail} if part.detail else {})}
        return {"type": "image_url", "image_url": image}
    if part.text:
        return {"type": "text", "text": document_text(part)}
    if part.url:
        raise unsayable(part, _TITLE)
    if part.kind == "audio":
        sort = part.media_type.partition("/")[2]
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": sort}}
    return {"type": "file", "file": {"file_data": address(part), "filename": part.name or "document"}}


def _assistant(turn: Turn, names: Names, *, thought: bool) -> Json | None:
    calls = [_call(part, names) for part in turn.parts if isinstance(part, ToolCall)]
    text = joined([part for part in turn.parts if isinstance(part, Text)])
    if not calls and not text:
        return None
    message: Json = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = calls
    if thought and calls:
        # Servers that think between calls of tools want it back there, and refuse it elsewhere.
        for part in turn.parts:
            if isinstance(part, Reasoning) and part.origin == "chat" and part.text:
                message[part.id or "reasoning_content"] = part.text
    return message


def _call(call: ToolCall, names: Names) -> Json:
    function = {"name": names.alias(call.name, call.namespace), "arguments": arguments_of(call, names)}
    return {"id": fit(call.id), "type": "function", "function": function}


def _tool(tool: Tool, names: Names) -> Json:
    function: Json = {"name": names.alias(tool.name, tool.namespace)}
    description = description_of(tool, names)
    if description:
        function["description"] = description
    function["parameters"] = parameters_of(tool, names)
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(request: Request, names: Names) -> object:
    choice = request.tool_choice
    if choice is None:
        return None
    if choice.mode == "named":
        return {"type": "function", "function": {"name": names.chosen(choice.names[0], request.tools)}}
    return choice.mode


def _format(form: Format | None) -> Json | None:
    if form is None:
        return None
    if form.kind == "object":
        return {"type": "json_object"}
    schema = without_nothing(
        {
            "name": form.name or "answer",
            "description": form.description,
            "schema": form.schema,
            "strict": form.strict,
        }
    )
    return {"type": "json_schema", "json_schema": schema}
