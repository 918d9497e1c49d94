"""Clients, on made-up wires."""
