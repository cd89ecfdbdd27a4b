"""A tree of files beside its repository: what is ignored, what changed, what is staged, and how it is restored."""
