"""Delivers the audit trail to receivers outside: a webhook, a function of the operator's."""
