"""Backup and restore of a SQLite database.

`archive` writes and opens backup files. `restore` puts one in the place of the database; `merge` and `key_merge` keep
what was ended or revoked in the database that is replaced. `database_file` handles SQLite databases as files.
"""
