"""The runner's flags, without the runner."""

import pytest

from aexl_runtime.flags import read_flags
from aexl_runtime.protocol.failures import Failed


@pytest.mark.parametrize(
    "words", [["--kind", "tool"], ["--handler=add"], ["--name", "add"], ["--event={}"], ["--payload", "{}"]]
)
def test_flags_that_say_what_to_do_are_a_request_that_lacks_its_action(words):
    flags = read_flags(["--files-root", "/x", *words])
    assert flags.are_request
    with pytest.raises(Failed, match=r"^action: Field required$"):
        flags.request()


def test_flags_that_say_only_for_whom_leave_the_request_to_standard_input():
    assert not read_flags(["--files-root", "/x", "--ctx", "{}", "--request-id", "r", "--debug"]).are_request
