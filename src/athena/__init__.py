"""Athena: a notification server for long-running, multi-step transactions."""

__version__ = "0.1.0"
