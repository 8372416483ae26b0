"""The ports on SQLite and PostgreSQL, through SQLAlchemy Core."""
