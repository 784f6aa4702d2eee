"""The adapters, one file for each framework. Each is imported when it is used, so `Guard` needs no framework."""
