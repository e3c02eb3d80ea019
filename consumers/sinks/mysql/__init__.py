"""A MySQL-compatible database: MariaDB, MySQL and what speaks their protocol."""
