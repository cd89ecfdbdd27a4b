"""Values on their way in and out: strict JSON, and what Python's values are in it."""

import json

import pytest

from aexl_runtime.protocol.failures import Failed
from aexl_runtime.protocol.plain import MAX_BITS, NotPlain, plain
from aexl_runtime.protocol.requests import read_json


@pytest.mark.parametrize("text", ["1e999", "[-1e999]", '{"a": 1e400}', "Infinity", "NaN"])
def test_a_number_that_no_float_holds_is_not_read(text):
    with pytest.raises(Failed, match="Invalid JSON in the request"):
        read_json(text, "the request")


def test_the_largest_float_is_read():
    assert read_json("[1.7976931348623157e308, 1e-999]", "it") == [1.7976931348623157e308, 0.0]


def test_a_whole_number_is_answered_if_it_can_be_read():
    largest = 2**MAX_BITS - 1
    assert json.loads(json.dumps(plain({"n": -largest}))) == {"n": -largest}
    with pytest.raises(NotPlain, match=r"^result\.n\[0\] is a whole number of more than 4300 digits$"):
        plain({"n": [largest + 1]})
