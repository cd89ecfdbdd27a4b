"""Every field of the SDKs' types has a rule: it is carried over, refused with a reason, or left out with one."""

from __future__ import annotations

import importlib.util
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import pydantic
import pytest
import typing_extensions
from anthropic.types import Message
from anthropic.types.beta import BetaMessage
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming as BetaMessageParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming as MessageParams
from google.genai import types as google
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming as ChatParams
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming as ResponseParams

from aexl_translation.codecs import CODECS
from aexl_translation.fields import chat, gemini, messages, responses
from aexl_translation.fields.written import WRITTEN
from aexl_translation.names import Names
from aexl_translation.pivot import Format, Request, Text, Thinking, Tool, ToolChoice, Turn
from aexl_translation.refusals import Untranslatable
from aexl_translation.writing import Aim

CHAT: Mapping[str, str] = {
    "chat_completion_developer_message.ChatCompletionDeveloperMessageParam": "system",
    "chat_completion_system_message.ChatCompletionSystemMessageParam": "system",
    "chat_completion_user_message.ChatCompletionUserMessageParam": "user",
    "chat_completion_assistant_message.ChatCompletionAssistantMessageParam": "assistant",
    "chat_completion_assistant_message.FunctionCall": "call",
    "chat_completion_tool_message.ChatCompletionToolMessageParam": "tool",
    "chat_completion_function_message.ChatCompletionFunctionMessageParam": "function",
    "chat_completion_content_part_text.ChatCompletionContentPartTextParam": "text",
    "chat_completion_content_part_text.PromptCacheBreakpoint": "breakpoint",
    "chat_completion_content_part_refusal.ChatCompletionContentPartRefusalParam": "refusal",
    "chat_completion_content_part_image.ChatCompletionContentPartImageParam": "image",
    "chat_completion_content_part_image.ImageURL": "image_url",
    "chat_completion_content_part_image.PromptCacheBreakpoint": "breakpoint",
    "chat_completion_content_part_input_audio.ChatCompletionContentPartInputAudioParam": "audio",
    "chat_completion_content_part_input_audio.InputAudio": "input_audio",
    "chat_completion_content_part_input_audio.PromptCacheBreakpoint": "breakpoint",
    "chat_completion_content_part.File": "file",
    "chat_completion_content_part.FileFile": "file_data",
    "chat_completion_content_part.FilePromptCacheBreakpoint": "breakpoint",
    "chat_completion_message_function_tool_call.ChatCompletionMessageFunctionToolCallParam": "tool_call",
    "chat_completion_message_function_tool_call.Function": "call",
    "chat_completion_message_custom_tool_call.ChatCompletionMessageCustomToolCallParam": "tool_call",
    "chat_completion_message_custom_tool_call.Custom": "custom_call",
    "chat_completion_function_call_option.ChatCompletionFunctionCallOptionParam": "named",
    "completion_create_params.Function": "function_def",
    "response_format_text.ResponseFormatText": "response_format",
    "response_format_json_schema.ResponseFormatJSONSchema": "response_format",
    "response_format_json_schema.JSONSchema": "json_schema",
    "response_format_json_object.ResponseFormatJSONObject": "response_format",
    "chat_completion_stream_options.ChatCompletionStreamOptionsParam": "stream_options",
    "chat_completion_allowed_tool_choice.ChatCompletionAllowedToolChoiceParam": "tool_choice",
    "chat_completion_allowed_tools.ChatCompletionAllowedToolsParam": "allowed_tools",
    "chat_completion_named_tool_choice.ChatCompletionNamedToolChoiceParam": "tool_choice",
    "chat_completion_named_tool_choice.Function": "named",
    "chat_completion_named_tool_choice_custom.ChatCompletionNamedToolChoiceCustomParam": "tool_choice",
    "chat_completion_named_tool_choice_custom.Custom": "named",
    "chat_completion_function_tool.ChatCompletionFunctionToolParam": "tool_def",
    "function_definition.FunctionDefinition": "function_def",
    "chat_completion_custom_tool.ChatCompletionCustomToolParam": "tool_def",
    "chat_completion_custom_tool.Custom": "custom_def",
    "chat_completion_custom_tool.CustomFormatText": "custom_format",
    "chat_completion_custom_tool.CustomFormatGrammar": "custom_format",
    "chat_completion_custom_tool.CustomFormatGrammarGrammar": "grammar",
}
RESPONSES: Mapping[str, str] = {
    "easy_input_message.EasyInputMessageParam": "message",
    "response_input.Message": "message",
    "response_output_message.ResponseOutputMessageParam": "message",
    "response_output_text.ResponseOutputTextParam": "text",
    "response_output_refusal.ResponseOutputRefusalParam": "refusal",
    **{
        f"response_input_{kind}{content.lower()}.ResponseInput{kind.title()}{content.replace('_', '')}Param": kind
        for kind in ("text", "image", "file")
        for content in ("", "_Content")
    },
    **{
        f"response_input_{kind}{content}.PromptCacheBreakpoint": "breakpoint"
        for kind in ("text", "image", "file")
        for content in ("", "_content")
    },
    "response_function_tool_call.ResponseFunctionToolCallParam": "function_call",
    "response_input.FunctionCallOutput": "function_call_output",
    "response_input.ToolSearchCall": "tool_search_call",
    "response_tool_search_output_item_param.ResponseToolSearchOutputItemParamParam": "tool_search_output",
    "response_input.AdditionalTools": "additional_tools",
    "response_reasoning_item.ResponseReasoningItemParam": "reasoning",
    "response_reasoning_item.Summary": "summary",
    "response_reasoning_item.Content": "summary",
    "response_custom_tool_call.ResponseCustomToolCallParam": "custom_tool_call",
    "response_custom_tool_call_output.ResponseCustomToolCallOutputParam": "custom_tool_call_output",
    "tool_choice_types.ToolChoiceTypesParam": "tool_choice",
    "reasoning.Reasoning": "reasoning_config",
    "response_text_config.ResponseTextConfigParam": "text_config",
    "response_format_text.ResponseFormatText": "format",
    "response_format_text_json_schema_config.ResponseFormatTextJSONSchemaConfigParam": "format",
    "response_format_json_object.ResponseFormatJSONObject": "format",
    "tool_choice_allowed.ToolChoiceAllowedParam": "tool_choice",
    "tool_choice_function.ToolChoiceFunctionParam": "tool_choice",
    "tool_choice_custom.ToolChoiceCustomParam": "tool_choice",
    "function_tool.FunctionToolParam": "function_def",
    "custom_tool.CustomToolParam": "custom_def",
    "custom_tool_input_format.Text": "custom_text",
    "custom_tool_input_format.Grammar": "custom_grammar",
    "namespace_tool.NamespaceToolParam": "namespace_def",
    "namespace_tool.ToolFunction": "function_def",
    "tool_search_output_namespace_tool.ToolSearchOutputNamespaceToolParam": "namespace_def",
    "tool_search_output_namespace_tool.ToolFunction": "function_def",
    "tool_search_tool.ToolSearchToolParam": "tool_search_def",
}
_MESSAGES: Mapping[str, str] = {
    "user_message.UserMessageParam": "message",
    "assistant_message.AssistantMessageParam": "message",
    "system_message.SystemMessageParam": "message",
    "message.MessageParam": "message",
    "metadata.MetadataParam": "metadata",
    "output_config.OutputConfigParam": "output_config",
    "json_output_format.JSONOutputFormatParam": "output_format",
    "text_block.TextBlockParam": "text",
    "cache_control_ephemeral.CacheControlEphemeralParam": "cache",
    "image_block.ImageBlockParam": "image",
    "base64_image_source.Base64ImageSourceParam": "source",
    "url_image_source.URLImageSourceParam": "source",
    "file_image_source.FileImageSourceParam": "source",
    "document_block.DocumentBlockParam": "document",
    "request_document_block.RequestDocumentBlockParam": "document",
    "base64_pdf_source.Base64PDFSourceParam": "source",
    "plain_text_source.PlainTextSourceParam": "source",
    "content_block_source.ContentBlockSourceParam": "source",
    "url_pdf_source.URLPDFSourceParam": "source",
    "file_document_source.FileDocumentSourceParam": "source",
    "search_result_block.SearchResultBlockParam": "search_result",
    "thinking_block.ThinkingBlockParam": "thinking",
    "redacted_thinking_block.RedactedThinkingBlockParam": "redacted_thinking",
    "tool_use_block.ToolUseBlockParam": "tool_use",
    "tool_result_block.ToolResultBlockParam": "tool_result",
    "tool_reference_block.ToolReferenceBlockParam": "tool_reference",
    "thinking_config_enabled.ThinkingConfigEnabledParam": "thinking_config",
    "thinking_config_disabled.ThinkingConfigDisabledParam": "thinking_config",
    "thinking_config_between_tools.ThinkingConfigBetweenToolsParam": "thinking_config",
    "thinking_config_adaptive.ThinkingConfigAdaptiveParam": "thinking_config",
    "tool_choice_auto.ToolChoiceAutoParam": "tool_choice",
    "tool_choice_any.ToolChoiceAnyParam": "tool_choice",
    "tool_choice_tool.ToolChoiceToolParam": "tool_choice",
    "tool_choice_none.ToolChoiceNoneParam": "tool_choice",
    "tool.ToolParam": "tool_def",
    # A block of an earlier answer may be given back as the object it was.
    "text_block.TextBlock": "text",
    "thinking_block.ThinkingBlock": "thinking",
    "redacted_thinking_block.RedactedThinkingBlock": "redacted_thinking",
    "tool_use_block.ToolUseBlock": "tool_use",
}
MESSAGES: Mapping[str, str] = {
    **_MESSAGES,
    **{f"beta_{name.replace('.', '.Beta', 1)}": kind for name, kind in _MESSAGES.items()},
}
CHAT_ANSWER: Mapping[str, str] = {
    "chat_completion.Choice": "choice",
    "chat_completion_chunk.Choice": "choice",
    "chat_completion_message.ChatCompletionMessage": "message",
    "chat_completion_message.FunctionCall": "function",
    "chat_completion_message.AnnotationURLCitation": "citation",
    "chat_completion_chunk.ChoiceDeltaFunctionCall": "function",
    "chat_completion_chunk.ChoiceDeltaToolCallFunction": "function",
    "chat_completion_message_function_tool_call.Function": "function",
    "chat_completion_message_custom_tool_call.Custom": "custom",
    "completion_usage.CompletionTokensDetails": "output_details",
    "completion_usage.PromptTokensDetails": "input_details",
    "chat_completion_message.Annotation": "annotation",
    "chat_completion_chunk.ChoiceDelta": "message",
    "chat_completion_chunk.ChoiceDeltaToolCall": "call",
    "chat_completion_message_function_tool_call.ChatCompletionMessageFunctionToolCall": "call",
    "chat_completion_message_custom_tool_call.ChatCompletionMessageCustomToolCall": "call",
    "completion_usage.CompletionUsage": "usage",
}
RESPONSES_ANSWER: Mapping[str, str] = {
    "response_output_message.ResponseOutputMessage": "message",
    "response_output_text.ResponseOutputText": "text",
    "response_output_refusal.ResponseOutputRefusal": "refusal",
    "response_function_tool_call.ResponseFunctionToolCall": "function_call",
    "response_custom_tool_call.ResponseCustomToolCall": "custom_tool_call",
    "response_reasoning_item.ResponseReasoningItem": "reasoning",
    "response_output_text.AnnotationURLCitation": "citation",
    "response_reasoning_item.Summary": "summary",
    "response_reasoning_item.Content": "summary",
    "response_error.ResponseError": "error",
    "response.IncompleteDetails": "incomplete",
    "response_usage.ResponseUsage": "usage",
    "response_usage.InputTokensDetails": "input_details",
    "response_usage.OutputTokensDetails": "output_details",
}
_MESSAGES_ANSWER: Mapping[str, str] = {
    "text_block.TextBlock": "text",
    "thinking_block.ThinkingBlock": "thinking",
    "redacted_thinking_block.RedactedThinkingBlock": "redacted_thinking",
    "tool_use_block.ToolUseBlock": "tool_use",
    "usage.Usage": "usage",
    "cache_creation.CacheCreation": "cache_creation",
    "output_tokens_details.OutputTokensDetails": "output_details",
    "refusal_stop_details.RefusalStopDetails": "stop_details",
}
MESSAGES_ANSWER: Mapping[str, str] = {
    **_MESSAGES_ANSWER,
    **{f"beta_{name.replace('.', '.Beta', 1)}": kind for name, kind in _MESSAGES_ANSWER.items()},
}
GEMINI: Mapping[str, str] = {
    f"types.{name}": kind
    for name, kind in {
        "Content": "content",
        "Part": "part",
        "Blob": "inlineData",
        "FileData": "fileData",
        "FunctionCall": "functionCall",
        "FunctionResponse": "functionResponse",
        "FunctionResponsePart": "part",
        "FunctionResponseBlob": "inlineData",
        "FunctionResponseFileData": "fileData",
        "FunctionDeclaration": "function",
        "FunctionCallingConfig": "calling",
        "ThinkingConfig": "thinkingConfig",
    }.items()
}
GEMINI_ANSWER: Mapping[str, str] = {
    "types.Candidate": "candidate",
    "types.Content": "content",
    "types.Part": "part",
    "types.FunctionCall": "call",
    "types.GenerateContentResponseUsageMetadata": "usage",
    "types.GenerateContentResponsePromptFeedback": "feedback",
}
SCHEMAS = {"tool.InputSchemaTyped", "beta_tool.InputSchemaTyped", "types.Schema", "types.JSONSchema"}
"""Carried over as they are."""

OF_THE_SDK = {"sdkHttpResponse", "automaticFunctionCallingHistory", "parsed"}
"""Fields that Google's SDK adds to what it received."""


def qualified(kind: type) -> str:
    return f"{kind.__module__.rpartition('.')[2].removesuffix('_param')}.{kind.__name__}"


def fields_of(kind: type) -> Mapping[str, object]:
    """Return the fields of a typed dictionary or a model, by the names that JSON has."""
    if typing_extensions.is_typeddict(kind):
        return typing.get_type_hints(kind)
    assert issubclass(kind, pydantic.BaseModel)
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def records_in(annotation: object) -> Iterator[type]:
    """Yield the typed dictionaries and models that an annotation names."""
    if isinstance(annotation, type) and (
        typing_extensions.is_typeddict(annotation) or issubclass(annotation, pydantic.BaseModel)
    ):
        yield annotation
        return
    for argument in typing.get_args(annotation):
        if not isinstance(argument, str | int | bool | type(None)):
            yield from records_in(argument)


def tags_of(kind: type) -> set[str]:
    """Return the values that ``type`` may have in a record."""
    return {value for value in typing.get_args(_bare(fields_of(kind).get("type"))) if isinstance(value, str)}


def _bare(annotation: object) -> object:
    """Return an annotation without ``Required``, ``Optional`` and the like."""
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return annotation
    for argument in typing.get_args(annotation):
        found = _bare(argument)
        if typing.get_origin(found) is typing.Literal:
            return found
    return annotation


def unruled(root: type, kind: str, tables, refused, kinds) -> list[object]:
    """Return the fields and types, from a root on, that nobody has decided about."""
    missing: list[object] = []
    seen: set[type] = set()

    def visit(record: type, kind: str) -> None:
        if record in seen:
            return
        seen.add(record)
        for name, annotation in fields_of(record).items():
            rule = tables[kind].get(name)
            if rule is None and name not in OF_THE_SDK:
                missing.append(f"{qualified(record)}.{name} ({kind})")
            elif rule is not None and rule.fate == "mapped":
                assert rule.why
                for below in records_in(annotation):
                    found = kinds.get(qualified(below))
                    tags = tags_of(below)
                    if qualified(below) in SCHEMAS:
                        continue
                    if found is not None:
                        visit(below, found)
                    elif not tags or not tags <= set(refused):
                        missing.append(f"{qualified(below)} in {qualified(record)}.{name}: {sorted(tags)}")

    visit(root, kind)
    return missing


REQUESTS = [
    pytest.param(ChatParams, chat.REQUEST, chat.REFUSED_TYPES, CHAT, id="chat"),
    pytest.param(ResponseParams, responses.REQUEST, responses.REFUSED_TYPES, RESPONSES, id="responses"),
    pytest.param(
        MessageParams, messages.REQUEST, {**messages.REFUSED_TYPES, **messages.IGNORED_TYPES}, MESSAGES, id="messages"
    ),
    pytest.param(
        BetaMessageParams, messages.REQUEST, {**messages.REFUSED_TYPES, **messages.IGNORED_TYPES}, MESSAGES, id="beta"
    ),
]


@pytest.mark.parametrize(("root", "tables", "refused", "kinds"), REQUESTS)
def test_every_field_and_type_of_a_request_has_a_rule(root, tables, refused, kinds) -> None:
    assert unruled(root, "request", tables, refused, kinds) == []


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        (google.GenerationConfig, "config"),
        (google.Content, "content"),
        (google.Tool, "tool"),
        (google.ToolConfig, "toolConfig"),
    ],
)
def test_every_field_of_a_request_to_gemini_has_a_rule(root: type, kind: str) -> None:
    assert unruled(root, kind, gemini.REQUEST, {}, GEMINI) == []


@pytest.mark.parametrize(
    ("root", "tables", "refused", "kinds"),
    [
        pytest.param(ChatCompletion, chat.ANSWER, {}, CHAT_ANSWER, id="chat"),
        pytest.param(ChatCompletionChunk, chat.ANSWER, {}, CHAT_ANSWER, id="chunk"),
        pytest.param(
            Response,
            responses.ANSWER,
            {**responses.REFUSED_TYPES, **responses.ANSWER_TYPES},
            RESPONSES_ANSWER,
            id="responses",
        ),
        pytest.param(Message, messages.ANSWER, messages.REFUSED_TYPES, MESSAGES_ANSWER, id="messages"),
        pytest.param(BetaMessage, messages.ANSWER, messages.REFUSED_TYPES, MESSAGES_ANSWER, id="beta"),
        pytest.param(google.GenerateContentResponse, gemini.ANSWER, {}, GEMINI_ANSWER, id="gemini"),
    ],
)
def test_every_field_and_type_of_an_answer_has_a_rule(root, tables, refused, kinds) -> None:
    assert unruled(root, "answer", tables, refused, kinds) == []


@pytest.mark.parametrize("dialect", list(WRITTEN))
def test_every_field_of_our_own_request_has_a_rule_in_each_dialect(dialect) -> None:
    assert set(WRITTEN[dialect]) == set(Request.__struct_fields__)


SAMPLES: Mapping[str, object] = {
    "stream": True,
    "wants_usage": True,
    "instructions": [Text("Be brief.")],
    "turns": [Turn("user", [Text("Hello")]), Turn("assistant", [Text("Hi")]), Turn("user", [Text("And?")])],
    "tools": [Tool("t")],
    "tool_choice": ToolChoice("required"),
    "parallel": False,
    "format": Format("schema", schema={"type": "object"}),
    "thinking": Thinking(effort="high"),
    "verbosity": "low",
    "limit": 9,
    "stop": ["END"],
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "seed": 3,
    "logit_bias": {"1": 2},
    "logprobs": 2,
    "user": "someone",
    "cache_key": "k",
    "service_tier": "flex",
    "metadata": {"a": "b"},
}
MODELS = {"chat": "gpt-5", "responses": "gpt-5", "messages": "claude-sonnet-4-5", "gemini": "gemini-2.5-pro"}


@pytest.mark.parametrize("dialect", list(WRITTEN))
@pytest.mark.parametrize("field", sorted(SAMPLES))
def test_a_field_of_our_own_request_does_what_its_rule_says(dialect, field) -> None:
    """It changes the body, is refused, or changes nothing; the output limit is the provider's to write."""
    turns, tools = [Turn("user", [Text("Hello")])], [Tool("other")]

    def body(**changes: object) -> object:
        request = Request(**{"origin": "chat", "turns": turns, "tools": tools, **changes})  # type: ignore[arg-type]
        names = Names(request.tools, custom=dialect == "responses")
        return CODECS[dialect].write(request, Aim(model=MODELS[dialect], limit=20000), names)

    rule = WRITTEN[dialect][field]
    if rule.fate == "refused":
        with pytest.raises(Untranslatable, match=rule.why):
            body(**{field: SAMPLES[field]})
    else:
        changed = body(**{field: SAMPLES[field]}) != body()
        # That a stream is wanted is in the path of Gemini's calls.
        elsewhere = field == "limit" or (field, dialect) == ("stream", "gemini")
        assert changed is (rule.fate == "mapped" and not elsewhere)


def test_every_field_of_our_own_request_is_tried() -> None:
    assert {*SAMPLES, "origin"} == set(Request.__struct_fields__)


def test_the_reference_page_is_what_the_tables_say() -> None:
    path = Path(__file__).parents[1] / "build_page.py"
    spec = importlib.util.spec_from_file_location("build_page", path)
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    assert builder.PAGE.read_text() == builder.render(), "run plugins/translation/build_page.py"
