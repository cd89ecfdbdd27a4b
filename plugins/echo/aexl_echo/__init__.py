"""An offline provider that says back what it was told, and the smallest complete plugin of aexl."""
