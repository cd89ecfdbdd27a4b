"""What runs change in files: snapshots around steps, what differs, undo, copies for branches and their join."""
