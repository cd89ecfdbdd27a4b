"""What ``aexl plugin new`` makes projects of: the files below ``plugin/``, and how they are filled."""
