"""Documents: what they may say, what holds, and how they come into force."""
