"""Snapshots of a project: content-addressed, signed, pushed and pulled."""
