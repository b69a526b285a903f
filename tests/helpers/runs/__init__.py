"""Runs that are meant to be killed."""
