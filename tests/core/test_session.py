"""A command's session beside a running host: what it writes, the host has read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from aexl.api import ConfigSection, Control
from aexl.core.cli.config import app
from aexl.core.config.own import ServeSection
from aexl.core.control import SOCKET_NAME, ControlApp
from aexl.core.http.limits import ServerLimits
from aexl.core.http.server import Server
from aexl.core.http.unix import open_unix_listener
from aexl.core.plugins import Source
from aexl.core.session import CommandSession
from aexl.core.surroundings import Surroundings
from aexl.errors import ConfigError, Invalid, Problem
from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.control import FakeControl
from aexl.testing.session import run_command

TEXT = '# Mine.\n[greeting]\nword = "hello"   # short\n'


class Greeting:
    """``[greeting]``, with a word that only a running host refuses."""

    word: str = "hello"


class Follower(Plugin):
    """Follows ``[greeting]``; does not like one word."""

    def __init__(self, model):
        self.model = model
        self.word = ""

    @hookimpl
    def aexl_config(self):
        return [ConfigSection(table="greeting", model=self.model)]

    @hookimpl
    def aexl_metrics(self, host):
        return [self]

    def __call__(self):
        return ()

    async def prepare(self, config):
        word = config.section(self.model).word
        if word == "damn":
            raise ConfigError([Problem(key="greeting.word", message="is no greeting")])

        def swap():
            self.word = word

        return swap
