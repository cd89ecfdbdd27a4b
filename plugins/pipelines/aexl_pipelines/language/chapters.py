"""What the tables cannot say of the language, in chapters of Markdown. Lists in ``{[name]}`` come from the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CHAPTERS: Final[Mapping[str, str]] = {
    "Pipelines": """\
A pipeline is a YAML file that says which steps run around an agent's answer, in which order, and what follows from what they say.
`aexl pipeline validate` checks one, `show` and `graph` show it, `test` tries it on [cases](pipeline-cases.md), `spec` prints this page, `init` begins one.
The files of ail are read as they are, in their early and their current spellings.

```yaml
version: "1"
pipeline:
  - id: invocation
    prompt: "{{ step.invocation.prompt }}"
  - id: tests
    if: if_code_changed
    context:
      shell: make test
    on_result:
      - exit_code: any
        action: pause_for_human
        message: "The tests fail: {{ step.tests.result }}"
  - id: review
    skill: ail/code_review
```

A JSON Schema for editors is [pipeline.schema.json](pipeline.schema.json); `aexl pipeline spec schema` prints it.""",
    "In short": """\
A pipeline file is YAML: 'pipeline:' is a list of steps, each with an 'id' and exactly one of prompt, skill, pipeline,
action, context, do_while, for_each, use. Steps run in order. Texts may hold {{ names }}. 'condition:' takes
LEFT operator RIGHT with == != contains starts_with ends_with matches; 'if:' takes a full expression with and, or, not,
< <= > >=, in, is empty. In a line of shell write {{ name | quote }}. Unknown keys are errors, but for x-* and meta.""",
    "Where files are found": """\
`--pipeline` takes a path, or a name that `aexl pipeline list` shows.
Without it the first of {[discovery]} counts, in the current folder or, within a project (a folder with `.git`, `aexl.toml` or `.aexl`), in the nearest folder above it; then `pipelines/default.yaml` in `$AEXL_HOME`.
With none of them a run is the invocation alone.

Paths in a file are relative to that file, `~/` is the home.
A file has at most 1 MiB, 60,000 keys and values (what an alias repeats counted again) and 60 levels.
YAML is that of version 1.2: `yes` and `on` are texts. Where a text is wanted, a number or a truth value is what is written there; in `before`, `then`, `depends_on`, `append_system_prompt`, `tools` and `retry`, one value is a list of one. A key that stands twice, a tag and a second document are errors.""",
    "Problems": """\
Every problem of a file, and of the files that it names, is reported at once: file, line, column, what is wrong, what to write instead.
`validate` ends with exit code 3 if there is one.
Unknown keys are errors everywhere; `x-…` and `meta` are yours at the top of the file and in steps.""",
    "Prompts": """\
A text, or, where it begins with `./`, `../`, `~/` or `/`, the path of a file that has it.
A text such as `/review this` is no path unless there is such a file.

The step `invocation` is the human's prompt and the agent's first answer; a file that does not declare it has it all the same, with the file's `defaults`.""",
    "Templates": """\
`{{ name }}` puts a value in; see *Names*.
A name that has no value is an error, never an empty text, unless it says `default`:

| filter | what it does |
|---|---|
| `default("text")`, `default(inline: text)` | stands in for a missing value |
| `default(file: ./text.md)` | the same, from a file |
| `json` | the value as JSON |
| `quote` | the value as one word of a shell line |

Single braces are braces. Two braces are written `{{ "{{" }}`.
What is put in is not looked at again. What is no character in it (half a surrogate pair in an answer, a byte of a variable) is U+FFFD.

**Shell lines.** A value in a line of shell must say `quote`: `grep {{ inputs.word | quote }} notes.txt`. It is handed over as a variable, quotes around it or not, so nothing in it is ever run. `env:` is the other way: `env: {WORD: "{{ inputs.word }}"}` and `grep "$WORD" notes.txt`.
In ail's files (`.ail.yaml`, `*.ail.yaml`, below `.ail/`, and what they inherit or call) the braces of a `context` line mean nothing to us, as they mean nothing to ail, and the names in an `append_system_prompt` line are handed over in the same safe way.""",
    "Conditions": """\
`condition:`, `expression:` and `exit_when:` have ail's grammar: {[named]}, or `LEFT operator RIGHT`.
Operators are looked for outside of braces in this order: `matches`, `starts_with`, `ends_with`, `contains` (with space on both sides), `!=`, `==`.
Both sides are templates, quotes around the right one are taken off. `==` and `!=` compare without the space around; `contains`, `starts_with` and `ends_with` take no notice of case.
`and`, `or`, `<` and parentheses are texts like any other here.
What a skipped step did not say is an empty text.""",
    "Expressions": """\
`if:`, `exit_if:` and `if:` in `on_result` have the full grammar:

```text
any        = all ("or" all)*
all        = inverse ("and" inverse)*
inverse    = "not" inverse | relation
relation   = value [ ("==" | "!=" | "<" | "<=" | ">" | ">=") value
                   | ["not"] ("in" | "contains" | "starts_with" | "ends_with") value
                   | ["not"] "matches" /pattern/flags
                   | "is" ["not"] "empty" ]
value      = number | "text" | 'text' | true | false | null | [value, ...] | name | (any)
```

A name goes on with dots and `[0]` into JSON answers. {[named]} are values too.
A text that is a number equals, and is ordered with, numbers; other texts are ordered as texts; anything else has no order, which is an error.
False are `false`, `null`, `0`, blank texts and empty lists and mappings.
Patterns are RE2's: linear time, no look-around, no back-references; flags `i`, `m`, `s`.""",
    "Actions": """\
A step's `action` is one of {[actions]}.
`join` waits for the steps in `depends_on` and answers with what they said: each under its id, or, with an `output_schema`, a JSON object by id.
`modify_output` shows a person the last answer, and `{{ step.ID.modified }}` is what they made of it.
Gates are closed when nobody can answer, unless the run says otherwise.
A gate's `timeout` is the time for an answer. When it has passed, the gate counts as rejected, or with `on_timeout: continue` of its own (that of `defaults` does not open gates) as approved; a change of the pipeline is made in neither case, and `continue` goes on without it.

`propose_pipeline_change` and `apply_pipeline_diff` take a change of the pipeline's own file from the last answer: one unified diff of it, or the whole new file, in a fenced block. Comments stay.
A gate shows the change as a patch; before it stands what it takes away of required steps, gates, budgets, secrets, tools and providers. Nothing is written without that gate, to any other file, if the result does not load, or if the file has been edited meanwhile.""",
    "Files": """\
Before and after each step that may write, the files of the folder are captured as snapshots; a folder in which nothing changed costs a look at each file. A step that begins at once after another one takes that one's last snapshot for its first.
`if_code_changed` says whether the files differ from what they were when the run began. `step.ID.files_changed` and `step.ID.diff` are what one step changed; a diff has at most 200,000 bytes, and of files that are no text the sizes.
Outside of all this, never read and never changed: `.git`, `.aexl`, `$AEXL_HOME`, links, and what ignore files name: `.aexlignore`, or `.gitignore` in a folder that has no `.aexlignore`.

`aexl pipeline diff RUN/STEP` shows what a step changed, `aexl pipeline undo RUN/STEP` puts the files back; without a step, it is the whole run. An undo stops where later work would be lost, and can be taken back itself. Of a file's mode, snapshots hold whether it is executable: who may read a file stays as it is, and a file that was gone comes back like any new one.

Branches that may write at the same time each work in a copy of the files, without what is outside. Where they join, their changes are merged, files first and then line by line; what does not go together is a gate: approve keeps what is in the files, edit takes `ours` or `theirs` or another text for each file, reject stops.""",
    "Order": """\
Steps run one after the other. An `async` step begins when the steps before it have ended and so has all that it depends on; the list goes on meanwhile. A step may name the values of a branch only if it, or a step before it, depends on that branch.

`before` and `then` are chains: steps before and after one, in its place.
Their entries are `STEP::before::0`, `STEP::then::0` or, with an id, `STEP::then::ID`.
Loops nest up to 8 deep, pipelines call one another up to 16 deep.""",
    "Runs": """\
A run has a folder below `runs` in `$AEXL_HOME`, with the pipeline as it was and a journal in which every record is durable before anything follows from it.
A run that was broken off, failed or was rejected goes on with `aexl pipeline resume RUN`: what has ended is neither run nor paid for again, at most the step that was at work is. `--from STEP` does a step and all that began after it again, and is the way on for a run that ended by its own word; `aexl pipeline fork RUN --from STEP` does so in a new run, which makes copies of its own of what branches that are not merged yet have done. Steps are named by their addresses, which have the turns of loops, counted from 1: `loop#2::fix`.
`aexl pipeline log RUN` prints the journal, `--follow` while it grows; `runs` lists those of this project, and `last` stands for the first of them.

A step that calls a pipeline begins a run of its own, which sees `step.invocation.prompt` and nothing else of its caller; its cost counts in both.

A failed step is tried again as `retry` says, at most; errors that it would meet again (a budget, a policy, a permission, wrong settings) end it at once. Then `on_error` decides, after a timeout `on_timeout`: `abort_pipeline` ends the run, `continue` goes on without its answer, its `on_result` and its `then`, `pause_for_human` asks. With `wait_for_all` a join takes the branches that failed as they are, and names them.
A run that has used up its budget ends, whatever `on_error` says. A budget in USD needs a runner that counts money, or a server.
When a branch fails or a run is cancelled, everything that it has started is ended within a second. `^C`, SIGTERM and the end of its terminal cancel a run; the last one does not under `nohup`. If aexl itself is killed (`kill -9`), what it has started goes on until `resume`, `fork` or `undo` of that run ends it, before anything else happens: all processes of this user that have the run's mark in the variable `AEXL_TREE`, whoever their parents are by now. Without `/proc` (macOS) they cannot be found, and the run's log says so; what step types of plugins have started is theirs.

A secret is masked in everything that is kept or shown, answers included; one of fewer than four characters is not. Files that steps write, and the snapshots of them, are as they are.
With `cache: true` an answer is kept in `$AEXL_HOME/cache`, unless its step changed files.
Without a person (`--headless`, or no terminal) a gate is closed and the run ends with 5, unless `--on-gate` answers it.
A dry run asks the runner `stub`, runs no program and opens no gate; names that nothing has answered stay as they are written.

| exit code | the run |
|---|---|
| 0 | completed, also by `break` |
| 1 | a step failed, or something that the run needs could not be had |
| 2 | was called in a wrong way, names what is not there or is at work elsewhere, or asks a runner for what it cannot do; nothing ran |
| 3 | has an invalid pipeline; nothing ran |
| 4 | ended by its own word: `abort_pipeline` |
| 5 | was rejected at a gate |
| 6 | took too long |
| 7 | was ended by a budget or a policy |
| 130 | was cancelled |""",
    "Inheritance": """\
`FROM: ./base.yaml` makes a file one that is another with changes.
`FROM: snapshot:ID/PATH` takes a file of a snapshot, one of the project's own (`aexl snapshot log` shows whole ids) or one that a run has made; `FROM: https://…#sha256=HASH` one from the web whose bytes have that hash.

| in the heir's `pipeline:` | what happens to the base |
|---|---|
| `disable: TARGET` | the step is gone |
| `override: TARGET` and a step | the step does this instead; its id stays |
| `run_before: TARGET`, `run_after: TARGET` and a step | the step stands beside the target |
| a step | it comes last |

They happen in this order, however they are written; what is beside a disabled step stays. A target is an id, or a path into a loop or chain: `loop::fix`, `review::then::0`. Heirs of heirs may name all of them.
A step with `required: true` cannot be disabled or overridden, nor can what it is in.
`defaults` and `budget` are merged field by field (`tools` as a whole), `pipelines`, `providers`, `inputs`, `outputs`, `secrets` and `meta` name by name; the heir wins. An entry of `pipelines` that has hooks changes the base's, any other replaces it.

`aexl pipeline show --resolved` prints the result with the file and line that each line comes from; it is a pipeline file that means the same.""",
    "Skills": """\
A skill is a folder with a `SKILL.md` of the Agent Skills standard: a front matter with `name` and `description`, then instructions.
Its text goes to the model. Nothing in it is run or filled in but `$ARGUMENTS` (the last answer, or `with: {arguments: …}`) and `$NAME` or `${NAME}` for the other values of `with:`; what has no place in the text comes after it.

`skill: ./folder/` names one by path. A name is looked for among those that come with aexl, then in the project's {[project_skills]}, then in {[home_skills]}.

{[skills]}""",
    "Runners": """\
A runner is the way to an agent: `runner:` of a step, of `defaults`, or `--runner`.
An option that a runner cannot honour is an error before anything runs: `tools`, `sampling`, `system_prompt`, `resume` and `output_schema` are never dropped.
Runners of plugins are named like ours.""",
}
"""By title, in the order of the page."""
