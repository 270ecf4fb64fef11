"""Durable history. `base` is the interface; each engine is a separate module."""
