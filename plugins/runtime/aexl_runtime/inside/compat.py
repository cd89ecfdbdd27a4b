"""``import aiel_sdk``, answered with ours: projects that were written for it run as they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

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
_DECORATORS = {name: getattr(decorators, name) for name in ("tool", "agent", "router", "flow", "flow_graph")}

_MODULES: dict[str, dict[str, object]] = {
    PACKAGE: {
        **_DECORATORS,
        **_REGISTRY,
        **{name: _ERRORS[name] for name in ("AielError", "ApiError", "ContractViolation", "RuntimeDependencyError")},
        "SDK_VERSION": aexl.sdk.SDK_VERSION,
        "Context": Context,
        "http": routes.http,
        "mcp_server": mcp.mcp_server,
        "validate_contracts": contracts.validate_contracts,
    },
    f"{PACKAGE}.context": {"Context": Context},
    f"{PACKAGE}.decorators": {**_DECORATORS, "http_get": routes.http.get, "http_post": routes.http.post},
    f"{PACKAGE}.errors": _ERRORS,
    f"{PACKAGE}.http": {"http": routes.http},
    f"{PACKAGE}.mcp": {"mcp_server": mcp.mcp_server, "McpServer": mcp.McpServer},
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
