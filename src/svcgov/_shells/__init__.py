"""The only rooms that know about waiting and ``await``: policies decide, shells do.

``_sync`` and ``_async`` are mirrors of one another; a test compares their syntax trees. What only one world has stands
apart: ``_lanes`` (cancelling time-outs of tasks) and ``_workers`` (time-outs of plain functions, on threads).
"""
