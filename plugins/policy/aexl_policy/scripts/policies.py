"""The operator's policies as the gate uses them: a call in, the changed call or a refusal out."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from aexl.api import Body, Call
from aexl.errors import Refused, Unavailable
from aexl_policy.rules.tools import definitions, names
from aexl_policy.scripts.answers import Verdict, places
from aexl_policy.scripts.process import PolicyFailed, PolicyWorker, Question


class Policies:
    """A generation of policies, with the process that runs them."""

    def __init__(self, worker: PolicyWorker) -> None:
        self.worker = worker

    async def apply(self, call: Call) -> Call:
        """Return the call as the policies want it.

        Raises:
            Refused: 403 ``policy_denied`` or ``policy_failed``, naming the policy; 503 if there is no getting at them.
        """
        try:
            verdicts = await self.worker.evaluate(make_question(call))
        except PolicyFailed as error:
            raise _refused(
                f"The policy {error.policy!r} failed, and so denies: {error.what}.", "policy_failed"
            ) from error
        except Unavailable as error:
            reason = f"The call cannot be judged now: {error}. Try again."
            raise Refused(reason, code="policy_busy", status=503, retry_after=1.0) from error
        for source, verdict in zip(self.worker.sources, verdicts, strict=False):
            if verdict.deny is not None:
                raise _refused(f"The policy {source.name!r} denies: {verdict.deny}", "policy_denied")
        return _patched(call, verdicts)


def make_question(call: Call) -> Question:
    """Return what the policies are asked about a call; from now on its body is encoded as they see it."""
    principal = call.principal
    view: dict[str, object] = {
        "agent": principal.agent,
        "labels": principal.labels,
        "surface": call.surface,
        "model": call.model,
        "stream": call.stream,
        "output_limit": call.output_limit,
    }
    return ask_about(view, call.body, call.output_key)


def ask_about(view: dict[str, object], body: Body, output_key: str) -> Question:
    """Return a question: the view, with the body's tools and the time, and the body."""
    for key in body:
        body.get(key)  # what a policy judges is what is sent: nothing may read a nested duplicate key another way
    tools = [name for _, definition in definitions(body) for name in names(definition)]
    return Question(view={**view, "tools": tools, "time": time.time()}, data=body.as_json(), output_key=output_key)


def _patched(call: Call, verdicts: Sequence[Verdict]) -> Call:
    patch: dict[str, object] = {}
    for verdict in verdicts:
        patch.update(verdict.patch)
    if not patch:
        return call
    changes: dict[str, object] = {}
    for path, value in places(patch, call.surface, call.output_key):
        if len(path) == 1:
            changes[path[0]] = value
        else:
            inner = changes.get(path[0], call.body.get(path[0]))
            changes[path[0]] = {**(inner if isinstance(inner, dict) else {}), path[1]: value}
    limit = patch.get("max_output_tokens", call.output_limit)
    return msgspec.structs.replace(
        call,
        # A form's model is set where it is sent; nothing else of a form may be patched.
        body=Body(call.body.encode(changes)) if changes and type(call.body) is Body else call.body,
        model=str(patch.get("model", call.model)),
        output_limit=limit if isinstance(limit, int) else None,
    )


def _refused(reason: str, code: str) -> Refused:
    return Refused(reason, code=code, status=403)
