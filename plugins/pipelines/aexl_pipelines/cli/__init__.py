"""``aexl pipeline``."""
