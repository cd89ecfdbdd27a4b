"""What the plugins answered, checked and merged.

Every plugin is asked every hook once. An answer of the wrong type switches its
plugin off, and so does a name that another plugin has taken, unless ``[plugins]
prefer`` says whose wins. A plugin that is switched off leaves nothing behind:
what it answered to other hooks is dropped as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from aexl.api import (
    Admission,
    BlobStore,
    Command,
    ConfigSection,
    ConnectorType,
    Dispatcher,
    HealthCheck,
    Mount,
    ProviderType,
    Runner,
    Service,
    Settlement,
    StepType,
    Subscriber,
)
from aexl.core.plugins import Plugins

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Offer:
    """One object of one plugin, and the name under which it is unique in its kind, if it has to be."""

    plugin: str
    kind: str
    name: str | None
    value: Any


@dataclass(frozen=True, slots=True)
class _Hook:
    """How a hook's answer is taken apart into offers.

    Attributes:
        kind: What the offers are called in ``[plugins] prefer``.
        type: What each must be; a callable where the type is a function.
        shape: The hook answers with ``one`` object or ``None``, with ``many`` in a sequence, or with a
            ``mapping``, whose items are the offers.
        named: Returns the unique name of an offer; ``None`` means any number may stand side by side.
        check: Returns what is wrong with an offer of the right type.
    """

    kind: str
    type: type[object]
    shape: Literal["one", "many", "mapping"]
    named: Callable[[Any], str] | None = None
    check: Callable[[Any], str | None] = lambda _: None


def _check_section(section: ConfigSection) -> str | None:
    """A home without the table must still start, and so must everything else in it."""
    if section.keyed:
        return None
    try:
        section.model()
    except Exception as error:
        return f"the table [{section.table}] needs a default for every key: {error}"
    return None


HOOKS: Mapping[str, _Hook] = {
    "aexl_config": _Hook("section", ConfigSection, "many", lambda section: section.table, _check_section),
    "aexl_commands": _Hook("command", Command, "many", lambda command: command.name),
    "aexl_admission": _Hook("admission", Admission, "one", lambda gate: gate.name),
    "aexl_settlement": _Hook("settlement", Settlement, "one", lambda _: "book"),
    "aexl_dispatcher": _Hook("dispatcher", Dispatcher, "one", lambda _: "dispatcher"),
    "aexl_provider_types": _Hook("provider_type", ProviderType, "many", lambda kind: kind.name),
    "aexl_snapshot_stores": _Hook("store", tuple, "mapping", lambda item: str(item[0])),
    "aexl_connectors": _Hook("connector", ConnectorType, "many", lambda kind: kind.name),
    "aexl_pipeline_steps": _Hook("step", StepType, "many", lambda kind: kind.name),
    "aexl_runners": _Hook("runner", Runner, "many", lambda runner: runner.name),
    "aexl_services": _Hook("service", Service, "many", lambda service: service.role.__name__),
    "aexl_routes": _Hook("route", Mount, "many", lambda mount: mount.path),
    "aexl_health_checks": _Hook("health", HealthCheck, "many", lambda check: check.name),
    "aexl_metrics": _Hook("metrics", object, "many"),
    "aexl_subscribers": _Hook("subscriber", Subscriber, "many", lambda subscriber: subscriber.name),
    "aexl_lifespan": _Hook("lifespan", AbstractAsyncContextManager, "one"),
}
"""Hooks whose answers are gathered at start-up; ``aexl_wrap_provider`` is asked for each provider instead."""


@dataclass(slots=True)
class Registry:
    """The offers of all plugins that are on, by hook."""

    plugins: Plugins
    prefer: Mapping[str, object] = field(default_factory=dict)
    _offers: dict[str, list[Offer]] = field(default_factory=dict)

    def gather(self, *hooks: str, **arguments: object) -> None:
        """Ask ``hooks`` and merge the answers into what was gathered before."""
        for hook in hooks:
            taken = self._offers.setdefault(hook, [])
            for plugin, answer in self.plugins.ask(hook, **arguments):
                problem = self._take(hook, plugin, answer, taken)
                if problem:
                    self.plugins.switch_off(plugin, f"{hook}: {problem}")
                    taken[:] = [offer for offer in taken if offer.plugin != plugin]

    def _take(self, hook: str, plugin: str, answer: object, taken: list[Offer]) -> str | None:
        rule = HOOKS[hook]
        try:
            values = _values(answer, rule)
            offers = [Offer(plugin, rule.kind, rule.named(value) if rule.named else None, value) for value in values]
        except Exception as error:
            return str(error) if isinstance(error, _WrongAnswer) else f"{type(error).__name__}: {error}"
        for offer in offers:
            problem = rule.check(offer.value)
            if problem is not None:
                return problem
            rival = next((other for other in taken if offer.name is not None and other.name == offer.name), None)
            if rival is None:
                taken.append(offer)
            elif rival.plugin == plugin:
                return f"{rule.kind} {offer.name!r} is offered twice"
            elif self._preferred(offer) == plugin:
                taken[taken.index(rival)] = offer
            elif self._preferred(offer) != rival.plugin:
                return (
                    f"{rule.kind} {offer.name!r} already comes from plugin {rival.plugin!r}; "
                    f"[plugins] prefer can say whose wins"
                )
        return None

    def _preferred(self, offer: Offer) -> object:
        wish = self.prefer.get(offer.kind)
        return wish.get(offer.name) if isinstance(wish, Mapping) else wish

    def offers(self, hook: str) -> list[Offer]:
        """Return what stands for a hook, without plugins that were switched off since."""
        return [offer for offer in self._offers.get(hook, ()) if self.plugins.is_on(offer.plugin)]

    def every(self, hook: str, kind: type[T]) -> tuple[T, ...]:
        """Return the objects of a hook, in hook order."""
        return tuple(offer.value for offer in self.offers(hook) if isinstance(offer.value, kind))

    def stores(self) -> Mapping[str, Callable[[str], Awaitable[BlobStore]]]:
        """Return how to open a place for snapshots, by URL scheme."""
        return {str(offer.name): offer.value[1] for offer in self.offers("aexl_snapshot_stores")}

    def only(self, hook: str, kind: type[T]) -> T | None:
        """Return the one object of a hook of which one is used."""
        found = self.every(hook, kind)
        return found[0] if found else None


class _WrongAnswer(Exception):
    """What a hook returned is not what it must return."""


def _values(answer: object, rule: _Hook) -> Iterable[object]:
    values: Sequence[object]
    if rule.shape == "one":
        values = () if answer is None else (answer,)
    elif rule.shape == "mapping":
        if not isinstance(answer, Mapping):
            raise _WrongAnswer(f"returned {type(answer).__name__}, not a mapping")
        values = tuple(answer.items())
    elif isinstance(answer, Sequence) and not isinstance(answer, str | bytes):
        values = answer
    else:
        raise _WrongAnswer(f"returned {type(answer).__name__}, not a sequence of {rule.type.__name__}")
    for value in values:
        if not isinstance(value, rule.type):
            raise _WrongAnswer(f"returned {type(value).__name__}, not {rule.type.__name__}")
    return values
