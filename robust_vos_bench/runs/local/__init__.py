"""Runs on this machine: worker processes on its devices and cores."""
