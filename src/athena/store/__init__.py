"""Durable history. `base` is the promise, each engine a module of its own."""
