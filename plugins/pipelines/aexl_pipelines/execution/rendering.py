"""Filling in the texts of a step."""

from __future__ import annotations

from collections.abc import Mapping

from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.language.expressions.errors import Unresolved
from aexl_pipelines.language.expressions.evaluating import as_text
from aexl_pipelines.language.templates import Template


def render(instance: Instance, template: Template) -> str:
    """Return a text with its values; in a dry run, what nothing has answered yet stays as it is written.

    Raises:
        Unresolved: If a name stands for nothing.
    """
    try:
        return template.render(instance.values)
    except Unresolved:
        if instance.run.options.dry_run:
            return template.source
        raise


def fill(instance: Instance, value: object) -> object:
    """Return a value in which every text that is a template is filled in; a text of one name becomes its value."""
    match value:
        case Template():
            return _value(instance, value)
        case Mapping():
            return {name: fill(instance, each) for name, each in value.items()}
        case list() | tuple():
            return [fill(instance, each) for each in value]
        case _:
            return value


def _value(instance: Instance, template: Template) -> object:
    try:
        return template.value(instance.values)
    except Unresolved:
        if instance.run.options.dry_run:
            return template.source
        raise


def variables(instance: Instance) -> dict[str, str]:
    """Return the step's own variables."""
    return {name: as_text(fill(instance, value)) for name, value in instance.settings.env.items()}
