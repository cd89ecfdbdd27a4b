"""What becomes of every field of every dialect: these tables decide it, and the reference page is made of them."""
