"""Gates to ask, and a folder of runs to ask them in."""

from __future__ import annotations

import pytest

from aexl_pipelines.gates.naming import gate_id
from aexl_pipelines.journal.records import Gate

RUN = "019a0000-0000-7000-8000-00000000000a"


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "home" / "runs"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def make_gate():
    def make(**changes):
        values = {"id": gate_id(RUN), "run": RUN, "step": "review", "kind": "pause"}
        return Gate(**{**values, "text": "Deploy?", "opened": 1000.0, **changes})

    return make
