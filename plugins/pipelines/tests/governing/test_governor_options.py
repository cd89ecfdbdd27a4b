"""From a command's options to a governor."""

from __future__ import annotations

import pytest

from aexl.testing.host import FakeConfig
from aexl.testing.session import FakeSession
from aexl_pipelines.governing.opening import open_governor
from aexl_pipelines.governing.options import PipelineOptions

RUNNING = {"running": True, "url": "http://127.0.0.1:9000"}


@pytest.fixture
def session(host):
    return FakeSession(host)


@pytest.mark.parametrize(
    ("status", "govern", "governed"),
    [(None, None, False), (RUNNING, None, True), (RUNNING, False, False), (None, True, True), (None, False, False)],
)
def test_a_server_governs_where_one_runs_or_is_asked_for(session, status, govern, governed):
    session.status = status
    governor = open_governor(session, agent=None, govern=govern, say=print)(session.host)
    assert governor.url == ("http://127.0.0.1:9000" if governed else None)
    assert (session.running() is not None) == (status is not None or govern is True)


@pytest.mark.parametrize(
    ("given", "configured", "named"), [("bob", "carol", "bob"), (None, "carol", "carol"), (None, "", None)]
)
def test_who_pays_is_said_or_configured(session, given, configured, named):
    session.host.current = FakeConfig(PipelineOptions(agent=configured))
    assert open_governor(session, agent=given, govern=None, say=print)(session.host).named == named
