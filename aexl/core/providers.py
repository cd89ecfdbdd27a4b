"""Making providers of ``[providers.<name>]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aexl.api import Config, Provider, ProviderType, Standing
from aexl.core.config.own import ProviderSection
from aexl.core.config.sections import suggestion
from aexl.errors import ConfigError, Problem


def build_providers(
    config: Config, kinds: Mapping[str, ProviderType], wrap: Callable[[Provider], Provider]
) -> dict[str, Provider]:
    """Return every configured provider by name.

    Args:
        kinds: What plugins offer as ``type``.
        wrap: Puts other plugins' objects around a provider.

    Raises:
        ConfigError: With the problems of all of them.
    """
    providers: dict[str, Provider] = {}
    problems: list[Problem] = []
    for name, section in config.mapping(ProviderSection).items():
        kind = kinds.get(section.type)
        if kind is None:
            message = f"no plugin offers {section.type!r}" + suggestion(section.type, kinds)
            problems.append(Problem(key=f"providers.{name}.type", message=message))
            continue
        try:
            providers[name] = wrap(kind.build(name, {"type": section.type, **section.options}))
        except ConfigError as error:
            problems += error.problems
    for kind in kinds.values():
        standing = kind.standing(config) if isinstance(kind, Standing) else None
        if standing is not None and standing.name in providers:
            key = f"providers.{standing.name}"
            problems.append(
                Problem(key=key, message=f"the name is taken by what plugin type {kind.name!r} offers itself")
            )
        elif standing is not None:
            providers[standing.name] = standing
    if problems:
        raise ConfigError(problems)
    return providers
