"""The queue of gates: questions of runs to people, answered once, by whoever is first."""
