"""Which file a name means."""

from __future__ import annotations

import pytest

from aexl.errors import NotFound
from aexl_pipelines.language.discovery import choose


@pytest.mark.parametrize(
    "given", ["\u0315" * 200, "a" * 300, "a" * 300 + ".yaml", "~no-such-user/a.yaml", "./" + "a/" * 3000]
)
def test_a_name_that_no_file_can_have_is_not_found(tmp_path, given):
    with pytest.raises(NotFound, match="there is no pipeline"):
        choose(given, tmp_path, tmp_path / "home")
