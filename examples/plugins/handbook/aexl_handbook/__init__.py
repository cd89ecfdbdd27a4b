"""A model that answers from a folder of your own notes."""
