"""Write ``docs/reference/translation.md`` out of the tables that decide what becomes of each field.

.venv/bin/python plugins/translation/build_page.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from aexl_translation.fields import chat, gemini, messages, responses
from aexl_translation.fields.rules import Rule
from aexl_translation.fields.written import TITLES, WRITTEN
from aexl_translation.pivot import Request

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "translation.md"
MODULES: Final[Mapping[str, ModuleType]] = {
    "chat": chat,
    "responses": responses,
    "messages": messages,
    "gemini": gemini,
}

INTRODUCTION: Final = """\
# Translation between dialects

Every model can be called in every dialect: Chat Completions, Responses, Messages and Gemini's generateContent.
Where a model's provider speaks the dialect of a call, the call passes as it came.
Where it does not, its request is translated, and its answer back: whole, or event by event as it arrives.

- What is booked is what the provider reports; the translation only says it in the client's words.
- A stream that the provider cuts is cut for the client too; errors have the shape of the client's dialect.
- Nothing is dropped silently. What cannot be said in the provider's dialect is refused with 400 `untranslatable` before anything is sent, in a sentence that names the field; what is left out stands in the tables below with its reason.
- A field that no table has is refused as well, unless `unknown = "ignore"` stands under [`[translation]`](configuration.md).
- The output limit is the one that the hold covers. Messages must have one: where the call names none, it gets the model's own.

## Into which dialect

A provider of type `openai` is asked in Chat Completions, because every compatible server has that; `prefer` chooses another.
A server that lacks what its type has is narrowed with `speaks`: then `aexl models show` lists the other dialects all the same, and they are translated.

```toml
[translation.prefer]
openai = "responses"

[translation.speaks]
groq = ["chat"]
```

## Conversations

- **Tools.** Names longer than 64 characters, and tools in namespaces, get an alias, always the same, and come back under their own name. A tool that takes free text becomes a function with the one argument `input`, and its description says what form the text must have; the client gets the text. Calls of several tools at once come one after the other, each complete before the next begins.
- **Results of tools** go as what the dialect has for them; pictures in them follow in a message of the user where a result may only hold text (Chat Completions). That a tool failed is said where there is a word for it (Messages, Gemini).
- **System prompts.** What stands before the conversation becomes the instructions. A system or developer message in the middle stays there: as `system`, as `developer` (Responses), or as the user's words for Gemini and for Claude models that know no such message.
- **Reasoning.** What the model thought is shown where the dialect has a place: `thinking` blocks, `reasoning` items, `thought` parts, `reasoning_content`. Signatures and encrypted reasoning travel sealed in the client's own field for them (`signature`, `encrypted_content`, `thoughtSignature`, `reasoning_details`), and the provider gets them back with the next request. What another provider's model thought is left out, because no other can read it.
- **Thinking.** An effort becomes a budget, and the other way round, as the model's generation takes it (see below).
- **Counting tokens** works where the provider counts in Responses or Messages, and is refused where it does not.

## What models take

A server refuses what it does not know, so some things are only said to models that are known, by their names, to take them.

| models | are told |
|---|---|
| GPT-5 and later, gpt-oss, the o series, Codex, Grok 4 and later | an effort of thinking and a verbosity, in Chat Completions and Responses; `effort` under `[translation]` decides for a provider's other models |
| Claude 4.6 and later | `thinking: adaptive` and an effort, in Messages, and messages of the system in the middle |
| Claude 3.7 to 4.5, and models without "claude" in their name | a budget of thinking, in Messages |
| older Claude models | nothing of thinking |
| Claude up to 4.6, and models without "claude" in their name | a temperature, `top_p` and `top_k`; newer Claude models refuse them |
| Gemini 3 and later | a level of thinking |
| Gemini 2.5 | a budget of thinking |
"""


def told(rule: Rule) -> str:
    """Return a rule as a sentence."""
    if rule.fate == "mapped":
        return rule.why
    if rule.fate == "ignored":
        return f"*left out*: {rule.why}"
    neutral = ", ".join(f"`{value}`" for value in rule.neutral)
    return f"**refused**{f' (but for {neutral})' if neutral else ''}: {rule.why}"


def written() -> Iterator[str]:
    yield "| of the request | " + " | ".join(TITLES.values()) + " |"
    yield "|---" * (len(TITLES) + 1) + "|"
    for name in Request.__struct_fields__:
        if name != "origin":
            yield f"| `{name}` | " + " | ".join(told(WRITTEN[dialect][name]) for dialect in TITLES) + " |"


def tables(found: Mapping[str, Mapping[str, Rule]]) -> Iterator[str]:
    yield "| object | field | what becomes of it |"
    yield "|---|---|---|"
    for kind, fields in found.items():
        for name, rule in fields.items():
            yield f"| {kind} | `{name}` | {told(rule)} |"


def types(found: Mapping[str, str], fate: str) -> Iterator[str]:
    for name, reason in found.items():
        yield f"| type | `{name}` | {fate}: {reason} |"


def render() -> str:
    """Return the page."""
    lines = [INTRODUCTION]
    lines += ["## What each dialect can be told", "", *written(), ""]
    for dialect, module in MODULES.items():
        lines += [f"## {TITLES[dialect]}: requests", "", *tables(module.REQUEST)]
        lines += types(getattr(module, "REFUSED_TYPES", {}), "**refused**")
        lines += types(getattr(module, "IGNORED_TYPES", {}), "*left out*")
        lines += ["", f"## {TITLES[dialect]}: answers", "", *tables(module.ANSWER)]
        lines += [*types(getattr(module, "ANSWER_TYPES", {}), "*left out*"), ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
