"""Runners: agent CLIs, and what is like one, behind one interface.

``table.runners`` has them all, ``running.run`` runs one. Launching and parsing are pure: no I/O, no loop.
"""
