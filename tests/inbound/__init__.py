"""Handlers, and the events that come to them."""
