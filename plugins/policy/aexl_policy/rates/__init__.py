"""How much an agent may ask for at a time: windows, turns, and the headers that tell of them."""
