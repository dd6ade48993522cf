"""Splink, as its documentation recommends it; `run.py` is a script for an environment of its own, where only Splink is installed."""
