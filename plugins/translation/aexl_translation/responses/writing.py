"""From a request in no dialect's words to a body of Responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aexl_translation.fields.written import refuse_unsayable
from aexl_translation.media import address, document_text, joined, unsayable
from aexl_translation.names import Names, fit
from aexl_translation.pivot import (
    Format,
    Media,
    Part,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
    Turn,
)
from aexl_translation.thinking import effort_of, is_shown, takes_effort
from aexl_translation.writing import (
    Aim,
    arguments_of,
    description_of,
    offered,
    parameters_of,
    service_tier,
    user_of,
    without_nothing,
)

_TITLE: Final = "Responses"
Json = dict[str, object]


def write(request: Request, aim: Aim, names: Names) -> Json:
    """Return the body, without its output limit.

    Raises:
        Untranslatable: If the request has what Responses cannot say.
    """
    refuse_unsayable(request, "responses")
    takes = takes_effort(aim.model) if aim.effort is None else aim.effort
    tools = [_tool(tool, names) for tool in offered(request)]
    kinds = {part.id: part.kind for turn in request.turns for part in turn.parts if isinstance(part, ToolCall)}
    items = [item for turn in request.turns for item in _items(turn, names, kinds)]
    text = without_nothing({"format": _format(request.format), "verbosity": request.verbosity if takes else None})
    return without_nothing(
        {
            "model": aim.model,
            "instructions": joined(request.instructions),
            "input": items,
            "stream": request.stream or None,
            "tools": tools,
            "tool_choice": _choice(request, names) if tools else None,
            "parallel_tool_calls": request.parallel if tools else None,
            "text": text or None,
            "reasoning": _reasoning(request) if takes else None,
            "include": ["reasoning.encrypted_content"] if takes else None,
            "store": False,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "safety_identifier": user_of(request),
            "prompt_cache_key": request.cache_key,
            "service_tier": service_tier(request, aim),
            "metadata": request.metadata,
        }
    )


def _items(turn: Turn, names: Names, kinds: Mapping[str, ToolKind]) -> list[Json]:
    items: list[Json] = []
    shown: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            items.append(_result(part, kinds.get(part.id, part.kind)))
        elif isinstance(part, ToolCall):
            items.append(_call(part, names))
        elif isinstance(part, Reasoning):
            if part.origin == "responses" and part.opaque:
                summary = [{"type": "summary_text", "text": part.text}] if part.text else []
                items.append({"type": "reasoning", "id": part.id, "summary": summary, "encrypted_content": part.opaque})
        elif turn.role == "assistant":
            text = part.text if isinstance(part, Text) else address(part)
            if text:
                items.append({"type": "message", "role": "assistant", "content": text})
        else:
            shown.append(part)
    if shown:
        role = "developer" if turn.role == "system" else "user"
        content = [_part(part) for part in shown if isinstance(part, Text | Media)]
        items.append({"type": "message", "role": role, "content": content})
    return items


def _call(call: ToolCall, names: Names) -> Json:
    name = names.alias(call.name, call.namespace)
    if call.kind == "custom":
        return {"type": "custom_tool_call", "call_id": fit(call.id), "name": name, "input": call.arguments}
    return {
        "type": "function_call",
        "call_id": fit(call.id),
        "name": name,
        "arguments": arguments_of(call, names),
    }


def _result(result: ToolResult, asked: ToolKind) -> Json:
    kind = "custom_tool_call_output" if asked == "custom" else "function_call_output"
    output: object = joined(result.parts)
    if any(isinstance(part, Media) and not part.text for part in result.parts):
        output = [_part(part) for part in result.parts]
    return {"type": kind, "call_id": fit(result.id), "output": output}


def _part(part: Text | Media) -> Json:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if part.kind == "image":
        return {"type": "input_image", "image_url": address(part), "detail": part.detail or "auto"}
    if part.text:
        return {"type": "input_text", "text": document_text(part)}
    if part.kind == "audio":
        raise unsayable(part, _TITLE)
    if part.url:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "file_data": address(part), "filename": part.name or "document"}


def _tool(tool: Tool, names: Names) -> Json:
    made: Json = {"type": "function", "name": names.alias(tool.name, tool.namespace)}
    description = description_of(tool, names)
    if description:
        made["description"] = description
    if tool.kind == "custom":
        made["type"] = "custom"
        if tool.format is not None:
            made["format"] = tool.format
        return made
    # Here a tool is strict unless it says that it is not, and nowhere else.
    return {**made, "parameters": parameters_of(tool, names), "strict": bool(tool.strict)}


def _choice(request: Request, names: Names) -> object:
    choice = request.tool_choice
    if choice is None:
        return None
    if choice.mode != "named":
        return choice.mode
    kind = next((tool.kind for tool in request.tools if tool.name == choice.names[0]), "function")
    return {"type": "custom" if kind == "custom" else "function", "name": names.chosen(choice.names[0], request.tools)}


def _format(form: Format | None) -> Json | None:
    if form is None:
        return None
    if form.kind == "object":
        return {"type": "json_object"}
    return without_nothing(
        {
            "type": "json_schema",
            "name": form.name or "answer",
            "description": form.description,
            "schema": form.schema,
            "strict": form.strict,
        }
    )


def _reasoning(request: Request) -> Json | None:
    thinking = request.thinking
    if thinking is None:
        return None
    effort = effort_of(thinking)
    return without_nothing({"effort": effort, "summary": "auto" if is_shown(thinking) else None}) or None
