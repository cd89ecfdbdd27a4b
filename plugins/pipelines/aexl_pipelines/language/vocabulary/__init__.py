"""The tables of the language, from the inside out."""
