"""Whether a snapshot may be deployed: all that stands against it, before anything of it runs for anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from aexl.api import Handlers, Host, Invocation, ObjectId, Repositories, RepositoryFile, RuntimeOffer
from aexl.errors import Invalid, Refused, Unavailable
from aexl_plane.deployments.obstacles import Obstacle
from aexl_plane.deployments.runtimes import find_runtime, handlers_of
from aexl_plane.options import PlaneOptions
from aexl_plane.records import Deployment

if TYPE_CHECKING:
    from aexl_plane.deployments.declared import Declared

ENTRY: Final = "entry_point.py"

_DECLARATIONS: Final = ("aexl.toml", "pyproject.toml", "requirements.txt")
_INCLUDES: Final = 20
"""Files of requirements that are followed."""

_FILE_BYTES: Final = 256 * 1024
"""Of a file that declares something."""


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of looking at a snapshot.

    Attributes:
        described: What it declares; empty where it could not be asked.
        obstacles: All that stands against deploying it.
    """

    snapshot: str
    runtime: str
    described: Mapping[str, Any]
    obstacles: Sequence[Obstacle]


class SnapshotRefused(Refused):
    """A snapshot may not be deployed; ``validation`` has every reason."""

    def __init__(self, validation: Validation) -> None:
        reasons = "; ".join(each.message for each in validation.obstacles)
        reason = f"snapshot {validation.snapshot[:16]} cannot be deployed: {reasons}"
        super().__init__(reason, code="snapshot_refused", status=422)
        self.validation = validation


class Validator:
    """Looks at snapshots."""

    def __init__(
        self, host: Host, repositories: Callable[[], Repositories], options: Callable[[], PlaneOptions]
    ) -> None:
        self._host = host
        self._repositories = repositories
        self._options = options

    @property
    def handlers(self) -> Handlers:
        """Who runs handlers.

        Raises:
            Unavailable: If nobody does.
        """
        return handlers_of(self._host)

    async def validate(self, project: str, snapshot: ObjectId, runtime: str, allowed: Sequence[str]) -> Validation:
        """Look at a snapshot of a project.

        Args:
            runtime: The interpreter's name; empty for the built-in one.
            allowed: Names of those that the environment allows; empty for any.

        Raises:
            NotFound: If the project has no such snapshot.
            Unavailable: If it cannot be tried now.
        """
        from aexl_plane.deployments.declared import check_offer  # what reads versions would cost every start

        files = await self._repositories().files(project, snapshot)
        obstacles = [*self._check_size(files)]
        too_large = bool(obstacles)
        if all(each.path != ENTRY for each in files):
            obstacles.append(Obstacle(rule="contract", message=f"{ENTRY} not found at: {ENTRY}"))
        offer, problem = await self.find_runtime(runtime, allowed)
        if problem is not None:
            obstacles.append(problem)
        declared = await self._read(project, files)
        obstacles += declared.obstacles
        if offer is not None:
            obstacles += check_offer(declared, offer)
        described: Mapping[str, Any] = {}
        if offer is not None and not too_large and problem is None and any(each.path == ENTRY for each in files):
            described, failures = await self._describe(project, snapshot, runtime)
            obstacles += failures
        return Validation(
            snapshot=snapshot, runtime=runtime, described=described if not obstacles else {}, obstacles=obstacles
        )

    def _check_size(self, files: Sequence[RepositoryFile]) -> Sequence[Obstacle]:
        options = self._options()
        size = sum(each.size for each in files)
        found = []
        if len(files) > options.deploy_files:
            found.append(f"it has {len(files)} files; [plane] deploy_files allows {options.deploy_files}")
        if size > options.deploy_bytes:
            found.append(f"its files have {size} bytes; [plane] deploy_bytes allows {options.deploy_bytes}")
        return [Obstacle(rule="policy", message=each) for each in found]

    async def find_runtime(self, name: str, allowed: Sequence[str]) -> tuple[RuntimeOffer | None, Obstacle | None]:
        """Return what an interpreter offers, and why it may not be used."""
        found = await find_runtime(self.handlers, name)
        if found.offer is None:
            return None, Obstacle(rule="runtime", message=found.problem)
        if allowed and found.offer.name not in allowed:
            message = f"the environment allows the runtimes {', '.join(allowed)}, and not {found.offer.name}"
            return found.offer, Obstacle(rule="runtime", message=message)
        return found.offer, None

    async def check_runtime(self, made: Deployment, allowed: Sequence[str]) -> None:
        """Hold a deployment's interpreter to what there is and what is allowed.

        Raises:
            SnapshotRefused: If it is gone, or not allowed any more.
        """
        _, problem = await self.find_runtime(made.runtime, allowed)
        if problem is not None:
            raise SnapshotRefused(
                Validation(snapshot=made.snapshot, runtime=made.runtime, described={}, obstacles=[problem])
            )

    async def _read(self, project: str, files: Sequence[RepositoryFile]) -> Declared:
        from aexl_plane.deployments.declared import Declared

        declared, there = Declared(), {each.path: each for each in files}
        waiting: list[str] = [path for path in _DECLARATIONS if path in there]
        most, seen = len(waiting) + _INCLUDES, set[str]()
        while waiting and len(seen) < most:
            path = waiting.pop(0)
            seen.add(path)
            if path not in there:
                message = f"{path[:200]} is named by the requirements, and is not in the snapshot"
                declared.obstacles.append(Obstacle(rule="requirement", message=message))
                continue
            text = await self._text(project, there[path])
            if isinstance(text, Obstacle):
                declared.obstacles.append(text)
                continue
            declared.read(path, text)
            waiting += [each for each in declared.includes if each not in seen and each not in waiting]
        if waiting:
            message = f"the requirements lead to more than {_INCLUDES} files"
            declared.obstacles.append(Obstacle(rule="requirement", message=message))
        return declared

    async def _text(self, project: str, file: RepositoryFile) -> str | Obstacle:
        try:
            return (await self._repositories().read(project, file.id, _FILE_BYTES)).decode("utf-8-sig")
        except Invalid:
            message = f"{file.path} has {file.size} bytes; {_FILE_BYTES} are read"
        except UnicodeDecodeError:
            message = f"{file.path} is not UTF-8"
        return Obstacle(rule="settings", message=message)

    async def _describe(
        self, project: str, snapshot: ObjectId, runtime: str
    ) -> tuple[Mapping[str, Any], Sequence[Obstacle]]:
        asked = Invocation(project=snapshot, repository=project, runtime=runtime or None, action="describe")
        ran = await self.handlers.invoke(asked)
        if ran.ok:
            return ran.result, ()
        error = ran.answer["error"]
        messages = [str(error["message"]), *error.get("details", {}).get("others", ())]
        if ran.status == 503:
            raise Unavailable(f"snapshot {snapshot[:16]} cannot be tried now: {messages[0]}")
        return {}, [Obstacle(rule="contract", message=each) for each in messages]
