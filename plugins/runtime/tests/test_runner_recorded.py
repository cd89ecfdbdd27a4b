"""Recorded runs of the runner that projects were written for: ours answers the same, but for what was wrong there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.name.removesuffix(".meta.json") for path in (RECORDED / "runs").glob("*.meta.json"))

VERSIONS = ("sdk_version", "runtime_version")
ADDED = {"handlers", "sandbox"}
"""What our answers have besides."""

REWORDED = {name for name in NAMES if name.startswith("bad_")}
"""Their messages are pydantic's own, with its version and a link to its documentation."""

FIXED = {"invoke_tool_ctx": {"type": "aexl.sdk.context.Context", "has_secrets": True}}
"""Results that showed a defect: the documented secrets were missing."""


def run(name: str) -> tuple[dict[str, Any], str, subprocess.CompletedProcess[str]]:
    meta = json.loads((RECORDED / "runs" / f"{name}.meta.json").read_text())
    argv = [word.replace("@ROOT@", str(RECORDED)) for word in meta["argv"]]
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "AEXL_RUNTIME_AIEL_COMPAT": "1", **meta["env"]}
    done = subprocess.run(
        [sys.executable, "-m", "aexl_runtime.runner", *argv],
        input=(RECORDED / "runs" / f"{name}.in.json").read_text(),
        capture_output=True,
        text=True,
        cwd=meta["cwd"].replace("@ROOT@", str(RECORDED)),
        env=environ,
        timeout=60,
        check=False,
    )
    return meta, (RECORDED / "runs" / f"{name}.out.json").read_text(), done


def normal(answer: Any) -> Any:
    """Drop what varies from run to run."""
    if isinstance(answer, dict):
        kept = {}
        for key, value in answer.items():
            if key == "snapshot_id" and value is not None:
                value = "ID"
            if key == "request_id" and re.fullmatch(r"[0-9a-f]{8}-.*", str(value)):
                value = "UUID"
            if key in VERSIONS or key.endswith("_ms"):
                value = "VARIES"
            if key in ("location", "traceback"):
                value = {name: value[name] for name in value if name in ("function", "relpath")} if value else value
            kept[key] = normal(value)
        return kept
    if isinstance(answer, list):
        return [normal(each) for each in answer]
    return answer


def without_added(answer: dict[str, Any]) -> dict[str, Any]:
    """Drop what only ours says: described handlers, the sandbox, what was printed."""
    meta = {key: value for key, value in answer["meta"].items() if key not in ADDED}
    meta["logs"] = [record for record in meta["logs"] if record["event"] not in ("stdout", "stderr", "output")]
    result = answer["result"]
    if isinstance(result, dict):
        result = {key: value for key, value in result.items() if key not in ADDED}
    return {**answer, "result": result, "meta": meta}


def expected(name: str, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text[text.index("{") :].replace("@ROOT@", str(RECORDED)))
    if name in FIXED:
        answer["result"] |= FIXED[name]
    return answer


def keys(value: Any) -> Any:
    return [(key, keys(each)) for key, each in value.items()] if isinstance(value, dict) else None


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.sampled(3)
def test_a_recorded_run_is_answered_the_same(name):
    meta, text, done = run(name)
    assert done.returncode == meta["exit_code"], done.stderr
    answer, wanted = without_added(json.loads(done.stdout)), expected(name, text)
    if wanted["error"] is not None:
        # Where in the runner itself an error was found is nobody's business; in the project it is.
        for each in (wanted, answer):
            location = each["error"]["details"].get("location")
            if location is None or "relpath" not in location:
                each["error"]["details"].pop("location", None)
    if name in REWORDED:
        for each in (wanted, answer):
            assert each["error"].pop("message")
    assert normal(answer) == normal(wanted)
    assert keys(answer) == keys(wanted)
    assert done.stdout.count("\n") == (1 if "--pretty" not in meta["argv"] else done.stdout.count("\n"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["describe_chatty", "invoke_tool_chatty"])
def test_what_a_project_prints_is_in_the_log_and_not_in_the_answer(name):
    _, text, done = run(name)
    assert not text.startswith("{"), "the recorded one shows the defect"
    printed = [
        record["fields"]["text"] for record in json.loads(done.stdout)["meta"]["logs"] if record["event"] == "stdout"
    ]
    assert printed == ["hello from import", "hello from tool"][: len(printed)]
    assert printed


def test_every_recorded_run_is_there():
    assert len(NAMES) == 34
