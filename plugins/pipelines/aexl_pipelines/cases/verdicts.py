"""What came of trials: a verdict for each, without secrets and bounded in length."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from aexl_pipelines.cases.checking import Failure, clipped, failures_of
from aexl_pipelines.cases.model import Trial
from aexl_pipelines.cases.outcome import Outcome, StepSeen
from aexl_pipelines.execution.masking import Masker


class StepReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a run, in short."""

    step: str
    kind: str
    status: str
    runner: str | None = None
    model: str | None = None
    cost: int | None = None
    duration: float = 0.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one trial.

    Attributes:
        result: ``skipped`` is the case's own word, ``not run`` that of ``--fail-fast``.
        error: Why there was no run at all.
        cost: Nano-dollars; ``None`` where nobody counted.
        answer: The run's last answer, cut short, without secrets.
        kept: The scratch folder, where it was kept.
    """

    file: str
    name: str
    case: str
    label: str
    pipeline: str
    runner: str
    result: str
    line: int = 0
    failures: tuple[Failure, ...] = ()
    error: str = ""
    status: str = ""
    exit_code: int | None = None
    message: str = ""
    answer: str = ""
    outputs: Mapping[str, object] = {}
    cost: int | None = None
    tokens: int = 0
    calls: int = 0
    duration: float = 0.0
    checks: int = 0
    steps: tuple[StepReport, ...] = ()
    kept: str = ""

    @property
    def held(self) -> bool:
        """Nothing speaks against the pipeline."""
        return self.result in {"passed", "skipped"}


LONGEST_ANSWER: Final = 4_000
"""Characters of an answer that a verdict keeps."""


def blank_verdict(trial: Trial) -> Verdict:
    """Return the verdict of a trial of which nothing is known yet."""
    return Verdict(
        file=trial.file,
        name=trial.name,
        case=trial.case.name,
        label=trial.label,
        pipeline=trial.loaded.unwrap().file or "",
        runner="tape" if trial.taped else trial.runner,
        result="",
        line=trial.case.place.line,
        checks=len(trial.case.setup.checks),
    )


def masker_of(trial: Trial, environ: Mapping[str, str]) -> Masker:
    """Return what knows the secrets that a run may have put into files. Blocks."""
    masker = Masker()
    loaded = trial.loaded
    for pipeline in (loaded.unwrap(), *loaded.children.values()):
        for name, secret in pipeline.secrets.items():
            value = environ.get(secret.env or name)
            if secret.file is not None:
                path = Path(pipeline.folder or ".", secret.file).expanduser()
                value = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
            if value:
                masker.add(value.strip())
    for name, wanted in loaded.unwrap().inputs.items():
        if wanted.secret and trial.inputs.get(name) is not None:
            masker.add(str(trial.inputs[name]))
    return masker


def verdict_of(trial: Trial, outcome: Outcome, masker: Masker) -> Verdict:
    """Return the verdict of a trial that has run."""
    ended = outcome.ended
    failures = failures_of(trial.case.setup.checks, outcome, trial.case.place)
    return msgspec.structs.replace(
        blank_verdict(trial),
        result="failed" if failures else "passed",
        failures=tuple(masker.record(failure) for failure in failures),
        status=ended.status,
        exit_code=ended.exit_code,
        message=clipped(masker.text(ended.message)) if ended.message else "",
        answer=clipped(masker.text(ended.response), LONGEST_ANSWER) if ended.response else "",
        outputs={name: _bounded(masker.value(value)) for name, value in ended.outputs.items()},
        cost=outcome.cost,
        tokens=outcome.tokens,
        calls=outcome.calls,
        duration=ended.duration,
        steps=tuple(_report(seen) for seen in outcome.steps.values() if seen.ended is not None),
    )


def _bounded(value: object) -> object:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return value if len(text) <= LONGEST_ANSWER else clipped(text, LONGEST_ANSWER)


def _report(seen: StepSeen) -> StepReport:
    ended = seen.ended
    assert ended is not None
    cost = ended.booked if ended.booked is not None else ended.cost
    return StepReport(
        step=seen.name,
        kind=ended.kind,
        status=ended.status,
        runner=ended.runner,
        model=ended.model,
        cost=cost,
        duration=ended.duration,
    )
