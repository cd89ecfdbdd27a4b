"""Programs that aexl runs, and the certain end of everything they start.

``running.spawn`` and ``signals.run_in_terminal`` are imported from where they are: they need trio, and most commands
do not.
"""

from aexl.core.processes.environment import clean_environment
from aexl.core.processes.table import is_alive

__all__ = ["clean_environment", "is_alive"]
