"""All SQL. Functions take a connection and return domain values, never rows.

Frequent functions are plural: `load_many(connection, keys)`, and the function of a Change, handle all queued requests
in one call.
"""
