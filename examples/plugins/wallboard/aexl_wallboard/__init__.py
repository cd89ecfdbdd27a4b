"""A status page: who spends what."""
