"""Case files, written down from their own tables: for people, and as a JSON Schema for editors. Pure."""

from __future__ import annotations

import json
from typing import Final, Literal

from aexl_pipelines.cases.vocabulary import FILE, RECORDS
from aexl_pipelines.language.kinds import Schema
from aexl_pipelines.language.schema import schema_of
from aexl_pipelines.language.specification import table_of

_BEGIN: Final = """\
# Pipeline cases

A case file holds runs of a pipeline to what is expected of them: `aexl pipeline test` makes each in a scratch folder, with answers that are known, and says what did not hold.
[Test a pipeline](../how-to/test-a-pipeline.md) shows how.

Case files end with `.cases.yaml`: `.aexl.cases.yaml` beside `.aexl.yaml`, `review.cases.yaml` beside `review.yaml`.
Without paths, those of this folder and the folders above it are tried, up to the project's root: beside the pipelines, and below `.aexl` and `.ail`.
A JSON Schema for editors is [pipeline-cases.schema.json](pipeline-cases.schema.json); `aexl pipeline test --schema` prints it.

```yaml
cases:
  - name: a finding opens the gate
    prompt: Add a login form
    files:
      app.py: |
        print("hello")
    answers:
      review: "VULNERABILITY: the form takes anything"
    gates:
      review: reject
    expect:
      status: rejected
      steps:
        review: {branch: pause_for_human, contains: VULNERABILITY}
      files:
        app.py: unchanged
```

Every problem of a case file, and of the pipelines that it names, is reported at once, with file, line and column; the exit code is 3 then.
Texts stand for themselves: nothing in braces is filled in.
Paths are relative to the case file.

## Where a case runs

In a folder of its own below the machine's folder for temporary files, with a home of its own: nothing of the project is changed, and no run of a case is among `aexl pipeline runs`.
`folder:` is copied without `.git` and `.aexl`; `files:` are written over the copy.
Programs of steps run there as they do in any run, with the rights of who started the command.

## Who answers

| `runner` | who answers |
|---|---|
| `stub` | Nobody: the lines in `answers`, by step; without a line, an example of the step's `output_schema`, or `stub response`. The default. |
| `declared` | The runners that the pipeline names. |
| any other | That runner, for every step. |

With `tape:`, recordings answer, by what is asked and of which model: the runner is not needed then, and nothing is spent.
`--record` asks the runners instead and writes their recordings, with the files that they changed; what is asked anew replaces the recording of the same question.
A prompt with the folder's own path in it (`session.cwd`) is another one each time.

## All keys
"""


def cases_specification(part: Literal["prose", "schema"]) -> str:
    """Return the description of case files."""
    if part == "schema":
        return json.dumps(cases_schema(), indent=2, ensure_ascii=False) + "\n"
    lines = [_BEGIN]
    for record in RECORDS:
        lines += [*table_of(record, marked=False), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def cases_schema() -> Schema:
    """Return the JSON Schema. What it refuses the loader refuses; the loader sees more."""
    return schema_of(FILE, RECORDS, "aexl pipeline cases", "A case file of aexl pipeline test: *.cases.yaml.")
