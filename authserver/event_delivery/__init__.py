"""Delivers the audit trail to external receivers: a webhook and the operator's function."""
