"""The registry: one suite of tests for all engines, and what is special to each."""
