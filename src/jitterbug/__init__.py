"""Jitterbug: real-time push in which every frame is signed and the browser verifies it."""
