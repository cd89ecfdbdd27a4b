"""Every rule on every dialect: what one agent may not ask for is refused however it is spelled.

Each row is a whole body in its dialect's own words; the agent has exactly one
limit. ``None`` as the code means that the call is let in.
"""

import pytest

from aexl.api import Limits, Surface
from aexl.errors import Refused
from aexl.testing.factories import make_call, make_principal
from aexl_policy.rules.book import RuleBook

NO_TOOLS = Limits(tools=False)
ONLY_LOOK = Limits(tool_names=("look*",))
NO_FORCE = Limits(function_choice=False)
TEXT_ONLY = Limits(vision=False)
NO_JSON = Limits(json_mode=False)
SMALL = Limits(models=("small-*",))
HUNDRED = Limits(max_output_tokens=100)
STRICT = Limits(strict=True)
NO_STREAM = Limits(streaming=False)

USER = {"role": "user", "content": "Hi"}
IMAGE_URL = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
INPUT_IMAGE = {"type": "input_image", "image_url": "https://example.org/a.png"}


def said(*parts: object, role: str = "user") -> dict[str, object]:
    return {"messages": [{"role": role, "content": list(parts)}]}


def chat_tool(name: str) -> dict[str, object]:
    return {"type": "function", "function": {"name": name}}


ROWS: list[tuple[Limits, Surface, dict[str, object], str | None]] = [
    # No tools at all.
    (NO_TOOLS, "chat", {"tools": []}, None),
    (NO_TOOLS, "chat", {"tools": None}, None),
    (NO_TOOLS, "chat", {"messages": [USER, {"role": "tool", "content": "4", "tool_call_id": "c"}]}, None),
    (NO_TOOLS, "chat", {"tools": [chat_tool("look")]}, "tools_not_allowed"),
    (NO_TOOLS, "chat", {"tools": {"0": chat_tool("look")}}, "tools_not_allowed"),
    (NO_TOOLS, "chat", {"functions": [{"name": "look"}]}, "tools_not_allowed"),
    (NO_TOOLS, "chat", {"web_search_options": {}}, "tools_not_allowed"),
    (NO_TOOLS, "chat", {"plugins": [{"id": "web"}]}, "tools_not_allowed"),
    (NO_TOOLS, "responses", {"tools": [{"type": "web_search"}]}, "tools_not_allowed"),
    (NO_TOOLS, "responses", {"input": "use tools"}, None),
    (NO_TOOLS, "responses", {"input": [{"type": "additional_tools", "role": "developer", "tools": [{"type": "shell"}]}]}, "tools_not_allowed"),
    (NO_TOOLS, "responses", {"input": [{"type": "tool_search_output", "tools": [{"type": "function", "name": "x"}]}]}, "tools_not_allowed"),
    (NO_TOOLS, "responses", {"input": [{"type": "mcp_list_tools", "server_label": "x", "tools": [{"name": "x"}]}]}, None),
    (NO_TOOLS, "responses", {"prompt": {"id": "pmpt_1"}}, "tools_not_allowed"),
    (NO_TOOLS, "completions", {"prompt": "text"}, None),
    (NO_TOOLS, "messages", {"tools": [{"name": "look", "input_schema": {}}]}, "tools_not_allowed"),
    (NO_TOOLS, "messages", {"mcp_servers": [{"name": "docs", "url": "https://example.org"}]}, "tools_not_allowed"),
    (NO_TOOLS, "messages", {"container": {"skills": [{"type": "anthropic", "skill_id": "xlsx"}]}}, "tools_not_allowed"),
    (NO_TOOLS, "messages", {"container": "container_1"}, None),
    (NO_TOOLS, "messages", said({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": "x"}}}), "tools_not_allowed"),
    (NO_TOOLS, "count", {"tools": [{"name": "look"}]}, "tools_not_allowed"),
    (NO_TOOLS, "gemini", {"tools": [{"functionDeclarations": [{"name": "look"}]}]}, "tools_not_allowed"),
    # Tools by name.
    (ONLY_LOOK, "chat", {"tools": [chat_tool("look_up"), chat_tool("look")]}, None),
    (ONLY_LOOK, "chat", {"tools": [chat_tool("look"), chat_tool("delete")]}, "tool_not_allowed"),
    (ONLY_LOOK, "chat", {"tools": [{"type": "custom", "custom": {"name": "look"}}]}, None),
    (ONLY_LOOK, "chat", {"tools": [{"type": "custom", "custom": {"name": "delete"}}]}, "tool_not_allowed"),
    (ONLY_LOOK, "chat", {"tools": [{"type": "function", "name": "look", "function": {"name": "delete"}}]}, "tool_not_allowed"),
    (ONLY_LOOK, "chat", {"tools": [{"type": "function"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "chat", {"tools": ["delete"]}, "tool_not_allowed"),
    (ONLY_LOOK, "chat", {"functions": [{"name": "look"}]}, None),
    (ONLY_LOOK, "chat", {"functions": [{"name": "delete"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "responses", {"tools": [{"type": "function", "name": "look"}]}, None),
    (ONLY_LOOK, "responses", {"tools": [{"type": "function", "name": "delete"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "responses", {"tools": [{"type": "custom", "name": "delete"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "responses", {"tools": [{"type": "web_search"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "responses", {"tools": [{"type": "code_interpreter", "name": "look"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "responses", {"tools": [{"type": "mcp", "server_label": "look"}]}, "tool_not_allowed"),
    (Limits(tool_names=("mcp:docs",)), "responses", {"tools": [{"type": "mcp", "server_label": "docs"}]}, None),
    (ONLY_LOOK, "responses", {"tools": [{"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "look"}]}]}, None),
    (ONLY_LOOK, "responses", {"tools": [{"type": "namespace", "name": "look", "tools": [{"type": "function", "name": "delete"}]}]}, "tool_not_allowed"),
    (ONLY_LOOK, "responses", {"input": [{"type": "additional_tools", "tools": [{"type": "function", "name": "delete"}]}]}, "tool_not_allowed"),
    (ONLY_LOOK, "responses", {"prompt": {"id": "pmpt_1"}}, "tool_not_allowed"),
    (Limits(tool_names=("prompt:pmpt_1",)), "responses", {"prompt": {"id": "pmpt_1"}}, None),
    (ONLY_LOOK, "messages", {"tools": [{"name": "look", "input_schema": {}}, {"type": "custom", "name": "look_2"}]}, None),
    (ONLY_LOOK, "messages", {"tools": [{"name": "delete", "input_schema": {}}]}, "tool_not_allowed"),
    (ONLY_LOOK, "messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tool_not_allowed"),
    (Limits(tool_names=("web_search*",)), "messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, None),
    (Limits(tool_names=("mcp:docs",)), "messages", {"mcp_servers": [{"name": "docs"}], "tools": [{"type": "mcp_toolset", "mcp_server_name": "docs"}]}, None),
    (ONLY_LOOK, "messages", {"mcp_servers": [{"name": "docs"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "messages", said({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"type": "bash_20250124", "name": "bash"}}}), "tool_not_allowed"),
    (ONLY_LOOK, "messages", said({"type": "tool_addition", "tool": {"type": "tool_reference", "name": "look"}}), None),
    (ONLY_LOOK, "count", {"tools": [{"name": "delete"}]}, "tool_not_allowed"),
    (ONLY_LOOK, "gemini", {"tools": [{"functionDeclarations": [{"name": "look"}]}]}, None),
    (ONLY_LOOK, "gemini", {"tools": [{"function_declarations": [{"name": "delete"}]}]}, "tool_not_allowed"),
    (ONLY_LOOK, "gemini", {"tools": [{"googleSearch": {}}]}, "tool_not_allowed"),
    (ONLY_LOOK, "gemini", {"tools": [{"functionDeclarations": [{"name": "look"}], "codeExecution": {}}]}, "tool_not_allowed"),
    # The choice of a tool.
    (NO_FORCE, "chat", {"tool_choice": "auto"}, None),
    (NO_FORCE, "chat", {"tool_choice": "none"}, None),
    (NO_FORCE, "chat", {"tool_choice": None}, None),
    (NO_FORCE, "chat", {"tool_choice": "required"}, "function_choice_not_allowed"),
    (NO_FORCE, "chat", {"tool_choice": chat_tool("look")}, "function_choice_not_allowed"),
    (NO_FORCE, "chat", {"tool_choice": {"type": "custom", "custom": {"name": "look"}}}, "function_choice_not_allowed"),
    (NO_FORCE, "chat", {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}, None),
    (NO_FORCE, "chat", {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}}, "function_choice_not_allowed"),
    (NO_FORCE, "chat", {"function_call": "auto"}, None),
    (NO_FORCE, "chat", {"function_call": {"name": "look"}}, "function_choice_not_allowed"),
    (NO_FORCE, "responses", {"tool_choice": {"type": "function", "name": "look"}}, "function_choice_not_allowed"),
    (NO_FORCE, "responses", {"tool_choice": {"type": "web_search_preview"}}, "function_choice_not_allowed"),
    (NO_FORCE, "responses", {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, None),
    (NO_FORCE, "responses", {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": []}}, "function_choice_not_allowed"),
    (NO_FORCE, "messages", {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, None),
    (NO_FORCE, "messages", {"tool_choice": {"type": "none"}}, None),
    (NO_FORCE, "messages", {"tool_choice": {"type": "any"}}, "function_choice_not_allowed"),
    (NO_FORCE, "messages", {"tool_choice": {"type": "tool", "name": "look"}}, "function_choice_not_allowed"),
    (NO_FORCE, "count", {"tool_choice": {"type": "any"}}, "function_choice_not_allowed"),
    (NO_FORCE, "gemini", {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}, None),
    (NO_FORCE, "gemini", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "function_choice_not_allowed"),
    (NO_FORCE, "gemini", {"tool_config": {"function_calling_config": {"mode": 1}}}, "function_choice_not_allowed"),
    # Text only.
    (TEXT_ONLY, "chat", {"messages": [USER]}, None),
    (TEXT_ONLY, "chat", said({"type": "text", "text": "image_url"}), None),
    (TEXT_ONLY, "chat", said({"type": "text", "text": "x"}, IMAGE_URL), "vision_not_allowed"),
    (TEXT_ONLY, "chat", said({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}), "vision_not_allowed"),
    (TEXT_ONLY, "chat", said({"type": "file", "file": {"file_id": "file_1"}}), "vision_not_allowed"),
    (TEXT_ONLY, "chat", said({"type": "video_url", "video_url": {"url": "https://example.org/a"}}), "vision_not_allowed"),
    (TEXT_ONLY, "chat", said(IMAGE_URL, role="tool"), "vision_not_allowed"),
    (TEXT_ONLY, "chat", said({"image_url": {"url": "https://example.org/a.png"}}), "vision_not_allowed"),
    (TEXT_ONLY, "responses", {"input": "Hi"}, None),
    (TEXT_ONLY, "responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]}, None),
    (TEXT_ONLY, "responses", {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]}, None),
    (TEXT_ONLY, "responses", {"input": [{"role": "user", "content": [INPUT_IMAGE]}]}, "vision_not_allowed"),
    (TEXT_ONLY, "responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "vision_not_allowed"),
    (TEXT_ONLY, "responses", {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, None),
    (TEXT_ONLY, "responses", {"input": [{"type": "function_call_output", "call_id": "c", "output": [INPUT_IMAGE]}]}, "vision_not_allowed"),
    (TEXT_ONLY, "responses", {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot"}}]}, "vision_not_allowed"),
    (TEXT_ONLY, "responses", {"input": [{"type": "image_generation_call", "result": "x"}]}, "vision_not_allowed"),
    (TEXT_ONLY, "responses", {"prompt": {"id": "pmpt_1", "variables": {"a": INPUT_IMAGE}}}, "vision_not_allowed"),
    (TEXT_ONLY, "messages", said({"type": "text", "text": "x"}), None),
    (TEXT_ONLY, "messages", said(IMAGE), "vision_not_allowed"),
    (TEXT_ONLY, "messages", said({"type": "document", "source": {"type": "base64", "data": ""}}), "vision_not_allowed"),
    (TEXT_ONLY, "messages", said({"type": "document", "source": {"type": "text", "data": "plain"}}), None),
    (TEXT_ONLY, "messages", said({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}}), None),
    (TEXT_ONLY, "messages", said({"type": "document", "source": {"type": "content", "content": [IMAGE]}}), "vision_not_allowed"),
    (TEXT_ONLY, "messages", said({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}), None),
    (TEXT_ONLY, "messages", said({"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}), "vision_not_allowed"),
    (TEXT_ONLY, "messages", said({"type": "tool_use", "id": "t", "name": "draw", "input": {"type": "image"}}), None),
    (TEXT_ONLY, "messages", said({"type": "container_upload", "file_id": "f"}), "vision_not_allowed"),
    (TEXT_ONLY, "messages", {"system": [{"type": "text", "text": "x"}], "messages": [USER]}, None),
    (TEXT_ONLY, "count", said(IMAGE), "vision_not_allowed"),
    (TEXT_ONLY, "embeddings", {"input": [IMAGE_URL]}, "vision_not_allowed"),
    (TEXT_ONLY, "embeddings", {"input": ["a", "b"]}, None),
    (TEXT_ONLY, "gemini", {"contents": [{"parts": [{"text": "x"}]}]}, None),
    (TEXT_ONLY, "gemini", {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}]}, "vision_not_allowed"),
    (TEXT_ONLY, "gemini_embeddings", {"content": {"parts": [{"text": "x"}]}}, None),
    (TEXT_ONLY, "gemini_embeddings", {"content": {"parts": [{"inlineData": {"data": ""}}]}}, "vision_not_allowed"),
    (TEXT_ONLY, "gemini_embeddings", {"requests": [{"content": {"parts": [{"fileData": {}}]}}]}, "vision_not_allowed"),
    (TEXT_ONLY, "images", {"prompt": "x", "images": [{"file_id": "f"}]}, "vision_not_allowed"),
    (TEXT_ONLY, "images", {"prompt": "x", "image": None}, None),
    (TEXT_ONLY, "gemini", {"contents": {"parts": [{"file_data": {"file_uri": "gs://a"}}]}}, "vision_not_allowed"),
    # JSON mode.
    (NO_JSON, "chat", {"response_format": {"type": "text"}}, None),
    (NO_JSON, "chat", {"response_format": None}, None),
    (NO_JSON, "chat", {"response_format": {"type": "json_object"}}, "json_mode_not_allowed"),
    (NO_JSON, "chat", {"response_format": {"type": "json_schema", "json_schema": {}}}, "json_mode_not_allowed"),
    (NO_JSON, "responses", {"text": {"verbosity": "low"}}, None),
    (NO_JSON, "responses", {"text": {"format": {"type": "text"}}}, None),
    (NO_JSON, "responses", {"text": {"format": {"type": "json_schema", "name": "x", "schema": {}}}}, "json_mode_not_allowed"),
    (NO_JSON, "messages", {"output_config": {"effort": "low"}}, None),
    (NO_JSON, "messages", {"output_config": {"format": {"type": "json_schema", "schema": {}}}}, "json_mode_not_allowed"),
    (NO_JSON, "messages", {"output_format": {"type": "json_schema", "schema": {}}}, "json_mode_not_allowed"),
    (NO_JSON, "count", {"output_config": {"format": {"type": "json_schema"}}}, "json_mode_not_allowed"),
    (NO_JSON, "gemini", {"generationConfig": {"responseMimeType": "text/plain"}}, None),
    (NO_JSON, "gemini", {"generationConfig": {"responseMimeType": "application/json"}}, "json_mode_not_allowed"),
    (NO_JSON, "gemini", {"generation_config": {"response_schema": {}}}, "json_mode_not_allowed"),
    # Models: the call's own has a test below; these are others that a body can name.
    (SMALL, "messages", {"fallbacks": [{"model": "small-2"}]}, None),
    (SMALL, "messages", {"fallbacks": [{"model": "dear"}]}, "model_not_allowed"),
    (SMALL, "messages", {"fallbacks": "default"}, "model_not_allowed"),
    (SMALL, "messages", {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "dear"}]}, "model_not_allowed"),
    (SMALL, "messages", {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "small-9"}]}, None),
    (SMALL, "responses", {"tools": [{"type": "image_generation", "model": "gpt-image-9"}]}, "model_not_allowed"),
    (SMALL, "chat", {"models": ["small-2", "dear"]}, "model_not_allowed"),
    # Output limits that stand beside the one the surface knows.
    (HUNDRED, "chat", {"max_tokens": 100}, None),
    (HUNDRED, "chat", {"max_tokens": 101}, "max_output_tokens"),
    (HUNDRED, "chat", {"max_completion_tokens": 10, "max_tokens": 101}, "max_output_tokens"),
    (HUNDRED, "chat", {"max_tokens": 100.5}, "max_output_tokens"),
    (HUNDRED, "responses", {"max_output_tokens": 90000}, "max_output_tokens"),
    (HUNDRED, "messages", {"max_tokens": 101}, "max_output_tokens"),
    (HUNDRED, "gemini", {"generationConfig": {"maxOutputTokens": 101}}, "max_output_tokens"),
    # Unknown parameters.
    (STRICT, "chat", {"model": "small-1", "messages": [USER], "temperature": 1, "top_logprobs": 3}, None),
    (STRICT, "chat", {"temprature": 1}, "unknown_parameter"),
    (STRICT, "chat", {"input": "x"}, "unknown_parameter"),
    (STRICT, "completions", {"prompt": "x", "suffix": "y"}, None),
    (STRICT, "completions", {"messages": []}, "unknown_parameter"),
    (STRICT, "responses", {"input": "x", "reasoning": {}}, None),
    (STRICT, "responses", {"messages": []}, "unknown_parameter"),
    (STRICT, "messages", {"max_tokens": 5, "thinking": {}, "top_k": 5}, None),
    (STRICT, "messages", {"n": 2}, "unknown_parameter"),
    (STRICT, "count", {"messages": [], "system": "x"}, None),
    (STRICT, "count", {"stream": True}, "unknown_parameter"),
    (STRICT, "embeddings", {"input": "x", "dimensions": 5}, None),
    (STRICT, "embeddings", {"prompt": "x"}, "unknown_parameter"),
    (STRICT, "gemini", {"contents": [], "safetySettings": []}, None),
    (STRICT, "gemini", {"messages": []}, "unknown_parameter"),
    (STRICT, "gemini", {"system_instruction": {}}, None),
    (STRICT, "images", {"prompt": "x", "size": "auto"}, None),
    (STRICT, "speech", {"input": "x", "messages": []}, "unknown_parameter"),
    (STRICT, "transcriptions", {"timestamp_granularities[]": ["word"]}, None),
    (STRICT, "moderations", {"input": "x"}, None),
    (NO_STREAM, "speech", {"input": "x", "stream_format": "audio"}, None),
    (NO_STREAM, "speech", {"input": "x", "stream_format": "sse"}, "streaming_not_allowed"),
    (NO_STREAM, "images", {"prompt": "x", "stream": True}, "streaming_not_allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "surface", "body", "code"), ROWS)
def test_a_limit_holds_however_its_subject_is_spelled(
    limits: Limits, surface: Surface, body: dict[str, object], code: str | None
) -> None:
    call = make_call(body, surface=surface, model="small-1", principal=make_principal(limits=limits))
    if code is None:
        RuleBook(limits).apply(call)
        return
    with pytest.raises(Refused) as caught:
        RuleBook(limits).apply(call)
    assert (caught.value.code, caught.value.status) == (code, 403)
    assert caught.value.param in body


@pytest.mark.parametrize(("limits", "surface", "body", "code"), [row for row in ROWS if row[3]])
def test_what_one_limit_refuses_an_unlimited_agent_may_do(
    limits: Limits, surface: Surface, body: dict[str, object], code: str | None
) -> None:
    call = make_call(body, surface=surface, model="small-1")
    assert RuleBook(Limits()).apply(call) is call


def test_escapes_do_not_hide_a_word() -> None:
    hidden = rb'{"messages": [{"role": "user", "content": [{"type": "tool\u005faddition", "tool": {"name": "rm"}}]}]}'
    with pytest.raises(Refused):
        RuleBook(NO_TOOLS).apply(make_call(hidden, surface="messages"))


def test_a_duplicate_key_cannot_mean_two_things() -> None:
    body = b'{"tools": [{"type": "function", "function": {"name": "delete", "name": "look"}}]}'
    call = make_call(body, principal=make_principal(limits=ONLY_LOOK))
    RuleBook(ONLY_LOOK).apply(call)
    assert call.body.encode() == b'{"tools":[{"type":"function","function":{"name":"look"}}]}'


def test_what_no_limit_looks_at_keeps_its_bytes() -> None:
    data = b'{"messages": [ {"role":"user", "content":"tools" } ],"tools":[ ]}'
    call = make_call(data)
    RuleBook(ONLY_LOOK).apply(call)
    assert b'"messages":[ {"role":"user", "content":"tools" } ]' in call.body.encode()


def test_a_body_nested_too_deeply_is_no_way_around() -> None:
    deep: object = IMAGE
    for _ in range(40):
        deep = {"type": "tool_result", "content": [deep]}
    with pytest.raises(Refused, match="nested too deeply"):
        RuleBook(TEXT_ONLY).apply(make_call(said(deep), surface="messages"))
