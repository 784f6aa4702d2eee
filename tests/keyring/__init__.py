"""The keys: their files, how they are sealed, how they sign and are published."""
