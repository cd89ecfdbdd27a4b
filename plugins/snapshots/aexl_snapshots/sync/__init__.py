"""Sending snapshots to a store, and fetching them from one."""
