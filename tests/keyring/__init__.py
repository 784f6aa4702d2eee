"""The keys: their files, how they are wrapped, how they sign and are published."""
