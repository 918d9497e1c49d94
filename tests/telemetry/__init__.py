"""What is counted and written down of the calls."""
