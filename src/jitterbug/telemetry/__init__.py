"""Facts about what happened, and the listeners that count them."""
