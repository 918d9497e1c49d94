"""What every layer may use: clocks, settings, names, context. Standard library only, and little of it."""
