"""Other people's formats: git repositories, export files, and the folders of ``aiel``."""
