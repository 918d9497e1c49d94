"""Against real parts."""
