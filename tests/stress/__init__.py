"""Crowds at one governed function: threads, tasks of several loops, tracers, signals."""
