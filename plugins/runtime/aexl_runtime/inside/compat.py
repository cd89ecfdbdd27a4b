"""``import aiel_sdk``, answered with ours: projects that were written for it run as they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import aexl.sdk
from aexl.sdk import contracts, decorators, errors, mcp, registry, routes
from aexl.sdk.context import Context

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    Loader = object  # importing it takes as long as importing all of us

PACKAGE = "aiel_sdk"

_ERRORS: dict[str, object] = {
    "AielError": errors.SdkError,
    "ContractViolation": errors.ContractViolation,
    "ApiError": errors.ModelRefused,
    "PolicyViolation": errors.NotAllowed,
    "RuntimeDependencyError": type("RuntimeDependencyError", (errors.SdkError,), {}),
}
_REGISTRY = {"get_registry": registry.get_registry, "reset_registry": registry.reset_registry}
_METHODS = ("get", "post", "put", "patch", "delete")


def _as_it_is(declaring: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator whose functions get their input as it is: no annotation was ever held to there."""

    def declare(*words: Any, **declared: Any) -> Callable[[Any], Any]:
        decorate: Callable[[Any], Any] = declaring(*words, **declared)

        def mark(fn: Any) -> Any:
            fn.__dict__[registry.UNTYPED] = True
            return decorate(fn)

        return mark

    return declare


class McpServer(mcp.McpServer):
    """A server whose own tools get their input as it is."""

    def tool(self, *words: Any, **declared: Any) -> Callable[[Any], Any]:
        """Declare a tool of this server only."""
        decorate: Callable[[Any], Any] = _as_it_is(super().tool)(*words, **declared)
        return decorate


def mcp_server(name: str, tools: Sequence[str] = ()) -> McpServer:
    """Declare a server that has these tools."""
    return mcp.declare_server(McpServer(name, tools))


_HTTP = type("http", (), {name: staticmethod(_as_it_is(getattr(routes.http, name))) for name in _METHODS})
_DECORATORS = {
    **{name: _as_it_is(getattr(decorators, name)) for name in ("tool", "agent", "router", "flow")},
    "flow_graph": decorators.flow_graph,
}

_MODULES: dict[str, dict[str, object]] = {
    PACKAGE: {
        **_DECORATORS,
        **_REGISTRY,
        **{name: _ERRORS[name] for name in ("AielError", "ApiError", "ContractViolation", "RuntimeDependencyError")},
        "SDK_VERSION": aexl.sdk.SDK_VERSION,
        "Context": Context,
        "http": _HTTP,
        "mcp_server": mcp_server,
        "validate_contracts": contracts.validate_contracts,
    },
    f"{PACKAGE}.context": {"Context": Context},
    f"{PACKAGE}.decorators": {
        **_DECORATORS,
        **{f"http_{name}": getattr(_HTTP, name) for name in ("get", "post")},
    },
    f"{PACKAGE}.errors": _ERRORS,
    f"{PACKAGE}.http": {"http": _HTTP},
    f"{PACKAGE}.mcp": {"mcp_server": mcp_server, "McpServer": McpServer},
    f"{PACKAGE}.registry": {**_REGISTRY, "Registry": registry.Registry},
    f"{PACKAGE}.validate": {"validate_contracts": contracts.validate_contracts},
}


class _Module(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{self.__name__}.{name} is not answered by aexl's shim, which has the decorators, Context, "
            f"the registry and the errors; call other services through aexl.sdk"
        )


class Shim(Loader):
    """A finder and loader for ``aiel_sdk`` and its modules; the installed package, if there is one, is not looked at."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG004 - the protocol of sys.meta_path
        """Return a spec for what the shim has."""
        if name not in _MODULES:
            return None
        return ModuleSpec(name, Shim(), is_package=name == PACKAGE)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the module."""
        module = _Module(spec.name)
        vars(module).update(_MODULES[spec.name])
        module.__dict__["__all__"] = sorted(_MODULES[spec.name])
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: it has everything already."""


def install_shim() -> None:
    """Answer the imports from now on; doing it again changes nothing."""
    if not any(isinstance(finder, Shim) for finder in sys.meta_path):
        sys.meta_path.insert(0, Shim())
