"""The ways out: clients, governed in place. ``govern`` finds the file for a client, and imports no client library."""
