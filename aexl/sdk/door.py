"""What a context reaches the runtime by."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from aexl.sdk.answers import ModelAnswer

    class Door(Protocol):
        """The way out of an invocation; may be used from several threads."""

        def log(self, record: Mapping[str, Any]) -> None:
            """Hand a record to the log."""
            ...

        def model(self, body: Mapping[str, Any]) -> ModelAnswer:
            """Ask a model with the body of Chat Completions.

            Raises:
                ModelRefused: If it may not be asked, or gave no answer.
            """
            ...
