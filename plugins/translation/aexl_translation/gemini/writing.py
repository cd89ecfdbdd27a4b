"""From a request in no dialect's words to a body of generateContent."""

from __future__ import annotations

from typing import Final

from aexl_translation.fields.written import refuse_unsayable
from aexl_translation.media import document_text, joined
from aexl_translation.names import Names
from aexl_translation.pivot import (
    Media,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from aexl_translation.thinking import budget_of, effort_of, gemini_thinks, is_shown
from aexl_translation.writing import (
    Aim,
    arguments_of,
    description_of,
    last_question,
    object_of,
    parameters_of,
    without_nothing,
)

UNSIGNED: Final = "skip_thought_signature_validator"
"""What Google takes in the place of a signature for a call that another model made."""

_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
_LEVELS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
Json = dict[str, object]


def write(request: Request, aim: Aim, names: Names) -> Json:
    """Return the body, without its output limit.

    Raises:
        Untranslatable: If the request has what generateContent cannot say.
    """
    refuse_unsayable(request, "gemini")
    contents = _Contents(request, names, signs=gemini_thinks(aim.model) == "level").write()
    tools = [_tool(tool, names) for tool in request.tools]
    form = request.format
    config = without_nothing(
        {
            "temperature": request.temperature,
            "topP": request.top_p,
            "topK": request.top_k,
            "stopSequences": request.stop,
            "frequencyPenalty": request.frequency_penalty,
            "presencePenalty": request.presence_penalty,
            "seed": request.seed,
            "responseMimeType": "application/json" if form is not None else None,
            "responseJsonSchema": form.schema if form is not None and form.kind == "schema" else None,
            "thinkingConfig": _thinking(request.thinking, aim),
        }
    )
    return without_nothing(
        {
            "systemInstruction": {"parts": [{"text": text.text} for text in request.instructions]}
            if request.instructions and request.turns
            else None,
            "contents": contents,
            "tools": [{"functionDeclarations": tools}] if tools else None,
            "toolConfig": _choice(request, names) if tools else None,
            "generationConfig": config or None,
        }
    )


class _Contents:
    """Writes the turns; a result needs the name of the call it answers."""

    def __init__(self, request: Request, names: Names, *, signs: bool) -> None:
        self._request = request
        self._names = names
        self._signs = signs
        self._called: dict[str, str] = {}

    def write(self) -> list[Json]:
        contents: list[Json] = []
        turns = self._request.turns or [Turn("user", list(self._request.instructions))]
        question = last_question(self._request)
        for number, turn in enumerate(turns):
            role = "model" if turn.role == "assistant" else "user"
            parts = self._parts(turn, signs=self._signs and number > question)
            if not parts:
                continue
            last = contents[-1] if contents else None
            if last is not None and last["role"] == role and isinstance(last["parts"], list):
                last["parts"] += parts
            else:
                contents.append({"role": role, "parts": parts})
        return contents

    def _parts(self, turn: Turn, *, signs: bool) -> list[Json]:
        parts: list[Json] = []
        signature = ""
        unsigned = signs
        for part in turn.parts:
            if isinstance(part, Reasoning):
                if part.origin == "gemini" and part.opaque:
                    signature = part.opaque
                continue
            written = self._part(part)
            if not written:
                continue
            if isinstance(part, ToolCall):
                if not signature and unsigned:
                    signature = UNSIGNED
                unsigned = False  # the first call of a step has the signature of them all
            if signature:
                written[0]["thoughtSignature"] = signature
                signature = ""
            parts += written
        if signature:
            parts.append({"text": "", "thoughtSignature": signature})
        return parts

    def _part(self, part: Text | Media | ToolCall | ToolResult) -> list[Json]:
        if isinstance(part, Text):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Media):
            return [_media(part)]
        if isinstance(part, ToolCall):
            self._called[part.id] = name = self._names.alias(part.name, part.namespace)
            return [{"functionCall": {"name": name, "args": object_of(arguments_of(part, self._names))}}]
        name = self._called.get(part.id) or self._names.alias(part.name or part.id)
        said = {"error" if part.failed else "output": joined(part.parts)}
        shown = [_media(one) for one in part.parts if isinstance(one, Media) and not one.text]
        return [{"functionResponse": {"name": name, "response": said}}, *shown]


def _media(part: Media) -> Json:
    if part.text:
        return {"text": document_text(part)}
    if part.url:
        return {"fileData": without_nothing({"mimeType": part.media_type, "fileUri": part.url})}
    return {"inlineData": {"mimeType": part.media_type or "application/octet-stream", "data": part.data}}


def _tool(tool: Tool, names: Names) -> Json:
    function: Json = {"name": names.alias(tool.name, tool.namespace)}
    description = description_of(tool, names)
    if description:
        function["description"] = description
    function["parametersJsonSchema"] = parameters_of(tool, names)
    return function


def _choice(request: Request, names: Names) -> Json | None:
    choice = request.tool_choice
    if choice is None:
        return None
    calling: Json = {"mode": _MODES[choice.mode]}
    if choice.names:
        calling["mode"] = "VALIDATED" if choice.mode == "auto" else calling["mode"]
        calling["allowedFunctionNames"] = [names.chosen(name, request.tools) for name in choice.names]
    return {"functionCallingConfig": calling}


def _thinking(asked: Thinking | None, aim: Aim) -> Json | None:
    """Return ``thinkingConfig`` as the model's generation takes it."""
    kind = gemini_thinks(aim.model)
    if asked is None or kind == "never":
        return None
    config: Json = {"includeThoughts": True} if is_shown(asked) else {}
    effort = effort_of(asked)
    if asked.mode == "adaptive" and asked.effort is None:
        return config or None
    if kind == "budget":
        budget = budget_of(asked)
        if budget is not None:
            config["thinkingBudget"] = budget
    elif effort is not None:
        config["thinkingLevel"] = _LEVELS.get(effort, "low")
    return config or None
