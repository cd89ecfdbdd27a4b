"""``aexl snapshot``."""
