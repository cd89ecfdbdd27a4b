"""The operator's own policies: found, run in a process of their own, and held to their answers."""
