-- The least rights for Tidemark on MariaDB and MySQL. Run it as an administrator:
--   mariadb < grants-mysql.sql
-- Change the names and the passwords first: tidemark_user (the server), tidemark_reader (people), tidemark_schema (the
-- database). '%' is any host: narrow it to where the server runs.

CREATE DATABASE IF NOT EXISTS tidemark_schema CHARACTER SET utf8mb4;

-- The server creates, changes and fills its own tables and views (replacing a view takes DROP). It has no right on any
-- other database.
CREATE USER IF NOT EXISTS tidemark_user@'%' IDENTIFIED BY 'change-me';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, CREATE VIEW ON tidemark_schema.* TO tidemark_user@'%';

-- People and dashboards read.
CREATE USER IF NOT EXISTS tidemark_reader@'%' IDENTIFIED BY 'change-me';
GRANT SELECT ON tidemark_schema.* TO tidemark_reader@'%';
