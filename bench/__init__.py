"""``make bench``: what a delivery costs here and at the peers, on one machine, in one run."""
