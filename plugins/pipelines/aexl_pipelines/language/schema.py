"""The JSON Schema of pipeline files, for editors; made of the tables that the loader reads with. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aexl_pipelines.language.kinds import Schema
from aexl_pipelines.language.records import Record
from aexl_pipelines.language.vocabulary.files import FILE, RECORDS
from aexl_pipelines.language.vocabulary.results import BRANCH, MATCHERS, RESULT_MAP
from aexl_pipelines.language.vocabulary.steps import HOOKS, PRIMARY, STEP


def pipeline_schema() -> Schema:
    """Return the schema. What it refuses the loader refuses; the loader sees more."""
    found = schema_of(
        FILE, RECORDS, "aexl pipeline", "A pipeline file of aexl: .aexl.yaml, .aexl/*.yaml, and ail's files."
    )
    definitions = found["$defs"]
    definitions[STEP.slug]["allOf"] = [_one_primary()]
    definitions[BRANCH.slug]["allOf"] = [_one_of(MATCHERS)]
    definitions[RESULT_MAP.slug]["allOf"] = [_one_of(MATCHERS)]
    definitions[FILE.slug]["anyOf"] = [{"required": ["pipeline"]}, {"required": ["FROM"]}]
    return found


def schema_of(file: Record, records: Sequence[Record], title: str, description: str) -> Schema:
    """Return the schema of a kind of file, made of its tables."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        **file.schema(),
        "$defs": {record.slug: record.definition() for record in records},
    }


def _one_primary() -> Schema:
    """A step has one primary key, ``prompt`` beside ``pipeline``, or is a hook that takes something away."""
    alone = [
        {"required": [name], "not": {"anyOf": [{"required": [other]} for other in PRIMARY if other != name]}}
        for name in PRIMARY
        if name != "pipeline"
    ]
    others = [{"required": [other]} for other in PRIMARY if other not in {"pipeline", "prompt"}]
    disable: Schema = {"required": [HOOKS[-1]]}
    return {"anyOf": [*alone, {"required": ["pipeline"], "not": {"anyOf": others}}, disable]}


def _one_of(names: tuple[str, ...]) -> Schema:
    return {"oneOf": [{"required": [name]} for name in names]}
