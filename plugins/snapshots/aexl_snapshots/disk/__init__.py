"""A folder as a store: the file operations it is made of, and what it makes of them."""
