"""In the runtimes that functions run in."""
