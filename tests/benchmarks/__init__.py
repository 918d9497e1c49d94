"""What a governed call costs, beside plain calls, hand-written closures and what people assemble today."""
