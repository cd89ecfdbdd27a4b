"""What a host starts from, and what a command can know without one: plugins found, tables and commands declared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from aexl.api import Command, ConfigSection
from aexl.core.config.loading import LoadedConfig, load_config, read_table
from aexl.core.config.own import OWN_SECTIONS, PluginsSection
from aexl.core.plugins import Plugins, Source, find_sources
from aexl.core.registry import Registry


class Surroundings:
    """The home, the project's folder, the environment, flags and plugins.

    Args:
        home: ``AEXL_HOME``.
        project: A folder whose ``aexl.toml`` counts too, or ``None``.
        sources: The plugins; by default those of the environment and of the home.
        chosen: Which of them are on, in place of what the home's file says.
    """

    def __init__(
        self,
        home: Path,
        *,
        project: Path | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
        sources: Iterable[Source] | None = None,
        chosen: PluginsSection | None = None,
    ) -> None:
        self.home = home
        self.project = project
        self.environ = os.environ if environ is None else environ
        self.flags = flags or {}
        section = chosen or read_table("plugins", PluginsSection, home=home, flags=self.flags)
        self.plugins = Plugins(find_sources(home) if sources is None else sources, off=section.off)
        self.required = section.require
        self.registry = Registry(self.plugins, section.prefer)
        self.registry.gather("aexl_config", "aexl_commands")

    @property
    def commands(self) -> tuple[Command, ...]:
        """The plugins' subcommands."""
        return self.registry.every("aexl_commands", Command)

    @property
    def sections(self) -> tuple[ConfigSection, ...]:
        """Every table that may stand in ``aexl.toml``."""
        return (*OWN_SECTIONS, *self.registry.every("aexl_config", ConfigSection))

    def load(self) -> LoadedConfig:
        """Read the configuration.

        Raises:
            ConfigError: If any value is wrong.
        """
        return self.load_text(None)

    def load_text(self, text: str | None) -> LoadedConfig:
        """Read the configuration as it would be if the home's file had this text.

        Raises:
            ConfigError: If any value is wrong.
        """
        complete = all(record.reason is None for record in self.plugins.records.values())
        return load_config(
            self.sections,
            home=self.home,
            home_text=text,
            project=self.project,
            environ=self.environ,
            flags=self.flags,
            complete=complete,
        )
