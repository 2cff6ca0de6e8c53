"""The commands on buckets: which rule each has, objects under another key, and whether all are encrypted as expected.

They act on the MinIO that runs, and keep the spec in step with it: the next `up` must not undo them.
"""
