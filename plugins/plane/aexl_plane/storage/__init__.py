"""What the plane keeps in its database; synchronous, for a worker thread."""
