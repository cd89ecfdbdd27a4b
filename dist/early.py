"""Run by the frozen program before anything else.

Answers ``--version``: PyInstaller's own run-time hooks come after this one and
cost more than twice what the rest of the start costs. Then sees to it that what
the onefile has left packed is unpacked when it is imported.
"""

import os
import sys

if sys.argv[1:] in (["--version"], ["-V"]):
    from aexl import __version__

    sys.stdout.write(f"aexl {__version__}\n")
    sys.exit()

if os.path.exists(f"{sys._MEIPASS}/later.modules"):
    from aexl.core.frozen.deferred import defer

    defer()
