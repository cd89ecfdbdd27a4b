"""Snapshots that environments are pointed at: validated, approved, promoted, rolled back."""
