"""Backup and restore of a SQLite database.

`archive` writes and opens backup files. `restore` replaces the database with a backup; `merge` and `key_merge` preserve
what was ended or revoked in the replaced database. `database_file` handles SQLite databases as files.
"""
