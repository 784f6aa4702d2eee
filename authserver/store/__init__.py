"""The only SQL. Functions take a connection and return domain values, never rows.

Hot functions are plural: `load_many(connection, keys)` and what a Change names get whatever has queued meanwhile.
"""
