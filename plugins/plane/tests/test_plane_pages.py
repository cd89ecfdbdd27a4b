"""The page of the routes is the route table."""

from __future__ import annotations

import re
from pathlib import Path

from aexl.testing.host import FakeHost
from aexl_plane.assembly import Assembly

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "projects-http.md"


def test_the_page_has_every_route_with_its_scope_and_no_other():
    listed = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE))
    routes = Assembly(FakeHost(Path("/nowhere"))).routes().all
    assert listed == {(f"{route.method} {route.path}", route.needs or "signed") for route in routes}
