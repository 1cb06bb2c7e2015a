"""What one node knows: connections, channels, rings, limits; await stands in publish, tick and hub only."""
