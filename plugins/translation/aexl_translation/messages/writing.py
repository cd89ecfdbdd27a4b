"""From a request in no dialect's words to a body of Messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aexl_translation.fields.written import refuse_unsayable
from aexl_translation.media import unsayable
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
    ToolChoice,
    ToolResult,
    Turn,
)
from aexl_translation.refusals import Untranslatable
from aexl_translation.thinking import LEAST_BUDGET, budget_of, claude_samples, claude_thinks, effort_of
from aexl_translation.writing import (
    Aim,
    arguments_of,
    description_of,
    forced,
    last_question,
    object_of,
    offered,
    parameters_of,
    user_of,
    without_nothing,
)

_TITLE: Final = "Messages"
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_MODES: Final = {"auto": "auto", "required": "any", "none": "none"}
Json = dict[str, object]


def write(request: Request, aim: Aim, names: Names) -> Json:
    """Return the body, without its output limit.

    Raises:
        Untranslatable: If the request has what Messages cannot say, or no output limit is known.
    """
    refuse_unsayable(request, "messages")
    if aim.limit is None:
        raise Untranslatable(
            "Messages needs a limit of the output, the call names none, and that of the model is not known; "
            "send one, or set limits.output of the model in aexl.toml",
            "max_tokens",
        )
    new = claude_thinks(aim.model) == "adaptive"
    system, turns = request.instructions, request.turns
    if not turns:  # a conversation must have a message of the user
        system, turns = [], [Turn("user", list[Part](system))]
    thinking, config = _thinking(request, aim)
    tools = [_tool(tool, names) for tool in offered(request)]
    user = user_of(request)
    return without_nothing(
        {
            "model": aim.model,
            "system": [_text(text) for text in system if text.text.strip()],
            "messages": _messages(turns, names, new=new, thinks=thinking is not None),
            "stream": request.stream or None,
            "tools": tools,
            "tool_choice": _choice(request, names) if tools else None,
            "thinking": thinking,
            "output_config": {**config, **_format(request.format)} or None,
            "stop_sequences": request.stop,
            **(_sampling(request) if claude_samples(aim.model) else {}),
            "metadata": {"user_id": user} if user else None,
        }
    )


def _sampling(request: Request) -> Json:
    # Of the two, most models take only one.
    top_p = request.top_p if request.temperature is None else None
    return {"temperature": request.temperature, "top_p": top_p, "top_k": request.top_k}


def _messages(turns: Sequence[Turn], names: Names, *, new: bool, thinks: bool) -> list[Json]:
    messages: list[Json] = []
    for turn in turns:
        # Older models know no message of the system's in the middle of a conversation.
        role = "user" if turn.role == "system" and not new else turn.role
        content = _blocks(turn, names, thinks=thinks)
        if not content:
            continue
        last = messages[-1] if messages else None
        if last is not None and last["role"] == role == "user" and isinstance(last["content"], list):
            last["content"] += content
        else:
            messages.append({"role": role, "content": content})
    return messages


def _blocks(turn: Turn, names: Names, *, thinks: bool) -> list[Json]:
    blocks: list[Json] = []
    results: list[Json] = []
    for part in turn.parts:
        if isinstance(part, Text):
            if part.text.strip():  # a block of nothing but blanks is refused
                blocks.append(_text(part))
        elif isinstance(part, ToolResult):
            results.append(_result(part))
        elif isinstance(part, ToolCall):
            name = names.alias(part.name, part.namespace)
            call = {"type": "tool_use", "id": fit(part.id), "name": name, "input": object_of(arguments_of(part, names))}
            blocks.append(_marked(call, part.cache))
        elif isinstance(part, Media):
            blocks.append(_media(part))
        elif part.origin == "messages" and part.opaque and (thinks or part.redacted):
            blocks.append(_thought(part))
    return results + blocks


def _thought(part: Reasoning) -> Json:
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.opaque}
    return {"type": "thinking", "thinking": part.text, "signature": part.opaque}


def _text(part: Text) -> Json:
    return _marked({"type": "text", "text": part.text}, part.cache)


def _marked(block: Json, cache: str) -> Json:
    if cache:
        hours = cache.endswith("h")
        block["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if hours else {"type": "ephemeral"}
    return block


def _result(part: ToolResult) -> Json:
    content = [
        _text(one) if isinstance(one, Text) else _media(one)
        for one in part.parts
        if not isinstance(one, Text) or one.text.strip()
    ]
    result: Json = {"type": "tool_result", "tool_use_id": fit(part.id), "content": content}
    if part.failed:
        result["is_error"] = True
    return _marked(result, part.cache)


def _media(part: Media) -> Json:
    if part.kind == "audio":
        raise unsayable(part, _TITLE)
    source: Json
    if part.text:
        source = {"type": "text", "media_type": "text/plain", "data": part.text}
    elif part.url:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.kind == "image":
        return _marked({"type": "image", "source": source}, part.cache)
    if part.data and part.media_type != "application/pdf":
        raise unsayable(part, _TITLE)
    title = {"title": part.name} if part.name else {}
    return _marked({"type": "document", "source": source, **title}, part.cache)


def _tool(tool: Tool, names: Names) -> Json:
    made = without_nothing(
        {
            "name": names.alias(tool.name, tool.namespace),
            "description": description_of(tool, names),
            "input_schema": parameters_of(tool, names),
            "strict": tool.strict or None,
        }
    )
    return _marked(made, tool.cache)


def _choice(request: Request, names: Names) -> Json | None:
    choice = request.tool_choice or (ToolChoice("auto") if request.parallel is False else None)
    if choice is None:
        return None
    if choice.mode == "named":
        made: Json = {"type": "tool", "name": names.chosen(choice.names[0], request.tools)}
    else:
        made = {"type": _MODES[choice.mode]}
    if request.parallel is False and choice.mode != "none":
        made["disable_parallel_tool_use"] = True
    return made


def _format(form: Format | None) -> Json:
    if form is None:
        return {}
    if form.kind == "object":
        raise Untranslatable(
            "a format of any JSON object cannot be demanded from a provider that speaks Messages; "
            "give a schema (json_schema)",
            "response_format",
        )
    return {"format": {"type": "json_schema", "schema": form.schema}}


def _thinking(request: Request, aim: Aim) -> tuple[Json | None, Json]:
    """Return ``thinking`` and the effort of ``output_config``, as the model's generation takes them."""
    asked = request.thinking
    kind = claude_thinks(aim.model)
    if asked is None or kind == "never" or aim.limit is None or effort_of(asked) == "none":
        return None, {}
    shown = {} if asked.shown is None else {"display": "summarized" if asked.shown else "omitted"}
    if kind == "adaptive":
        effort = effort_of(asked)
        return {"type": "adaptive", **shown}, {"effort": _EFFORTS[effort]} if effort is not None else {}
    budget = min(budget_of(asked) or 0, aim.limit - LEAST_BUDGET)
    # With a budget, a tool cannot be forced, and a call in progress must show what was thought before it.
    if budget < LEAST_BUDGET or forced(request.tool_choice) or _is_unthought(request):
        return None, {}
    return {"type": "enabled", "budget_tokens": budget}, {}


def _is_unthought(request: Request) -> bool:
    """Say whether tools were called since the last question without thinking that Claude could verify."""
    for turn in request.turns[last_question(request) + 1 :]:
        thought = any(isinstance(part, Reasoning) and part.origin == "messages" and part.opaque for part in turn.parts)
        if turn.role == "assistant" and not thought and any(isinstance(part, ToolCall) for part in turn.parts):
            return True
    return False
