"""The skills that come with aexl: ail's four, and the two more that its description names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aexl_pipelines.language.skills import Skill

_REVIEW: Final = """\
Review the work below as a careful colleague would.

Look at what it does, not at what it says it does: wrong results, missing cases, errors that are swallowed,
races, resources that are not given back, names that mislead, tests that cannot fail.
Name the file and the line of each finding, say what goes wrong and how to put it right, the worst first.
Leave out what a formatter would say. If there is nothing to object to, say so in one sentence.

The work:

$ARGUMENTS
"""
_TESTS: Final = """\
Write tests for the work below, in the style and with the tools of the project's own tests.

Cover what it promises, its edges, and each way in which it can fail. A test has one subject, and its name is
the promise that it checks. Do not test private details, and do not change the code under test: if a test shows
a fault, keep the test and report the fault. Run the tests if you can, and end with what you ran and its result.

The work:

$ARGUMENTS
"""
_SECURITY: Final = """\
Audit the work below for security.

Follow what comes from outside (requests, files, arguments, models' answers) to where it is used: command lines,
queries, paths, templates, deserialisers, addresses. Look for missing checks of who may do what, secrets in code
or logs, weak randomness, unsafe defaults, and new dependencies.
For each finding give the file and line, how it could be used, how bad it is, and the remedy.
If you found anything that could be exploited, write the word VULNERABILITY on a line of its own before the
first finding. If not, write NO FINDINGS and do not use that word.

The work:

$ARGUMENTS
"""
_JANITOR: Final = """\
Condense the text below so that somebody can go on with the work who has read nothing else.

Keep decisions and their reasons, names of files, functions and values, what is done, what is open, and errors
word for word. Drop greetings, repetition, attempts that came to nothing (one line on why), and anything that can
be read in the files themselves. Write plain points, the most important first.

The text:

$ARGUMENTS
"""


_REFACTOR: Final = """\
Take repetition out of the work below without changing what it does.

Look for the same thing written twice, values that should have one home, and branches that are one case. Do not join
what is alike by chance, do not add layers for a future that nobody asked for, and keep public names as they are.
Change little at a time and run the tests after each change if you can. End with what you changed and why it is the
same as before.

The work:

$ARGUMENTS
"""
_COMPARE: Final = """\
Compare the answers below, which different models gave to the same request.

Say where they agree, where they contradict one another and which of them is right there, and what only one of them
saw. Judge what they say, not how they say it. End with the best answer, made of what is right in each.

The answers:

$ARGUMENTS
"""


def _own(name: str, description: str, body: str) -> Skill:
    return Skill(name=name, description=description, body=body)


BUILT_IN: Final[Mapping[str, Skill]] = {
    skill.name: skill
    for skill in (
        _own("ail/code_review", "Review the last answer's work as a careful colleague.", _REVIEW),
        _own("ail/test_writer", "Write tests for the last answer's work.", _TESTS),
        _own("ail/security_audit", "Look for what could be exploited; says VULNERABILITY if anything is.", _SECURITY),
        _own("ail/janitor", "Condense the last answer to what is needed to go on.", _JANITOR),
        _own(
            "ail/dry_refactor",
            "Take repetition out of the last answer's work without changing what it does.",
            _REFACTOR,
        ),
        _own("ail/model-compare", "Compare what several models answered.", _COMPARE),
    )
}
"""By name; ``aexl/code_review`` and so on are the same."""


def built_in(name: str) -> Skill | None:
    """Return a skill that comes with aexl."""
    found = BUILT_IN.get(name)
    return found if found is not None else BUILT_IN.get(f"ail/{name.removeprefix('aexl/')}" if "aexl/" in name else "")
