"""Describing a project: one odd handler does not hide the others."""

import enum

import pytest

from aexl.sdk.registry import Handler, Registry
from aexl_runtime.inside.describing import describe


class Odd(enum.Enum):
    IT = object()


class Stubborn:
    @classmethod
    def model_validate(cls, value):
        return value

    @classmethod
    def model_json_schema(cls, ref_template):
        raise RuntimeError("no schema")


@pytest.mark.parametrize("kind", [Odd, Stubborn])
def test_a_type_that_has_no_schema_is_described_as_any_object(kind):
    def odd(ctx, it: kind):
        pass

    def add(ctx, a: int):
        pass

    registry = Registry()
    registry.add(Handler("tool", "odd", odd))
    registry.add(Handler("tool", "add", add))
    add_, odd_ = describe(registry, None)["handlers"]
    assert odd_["input_schema"] == {"type": "object"}
    assert add_["input_schema"]["properties"] == {"a": {"type": "integer"}}
