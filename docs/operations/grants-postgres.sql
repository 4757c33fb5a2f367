-- The least rights for Tidemark on PostgreSQL. Run it as a superuser or the owner of the database, in that database:
--   psql -d YOUR_DATABASE -f grants-postgres.sql
-- Change the names and the passwords first: tidemark_user (the server), tidemark_reader (people), tidemark_schema.

-- The server owns a schema of its own and what it creates there. It has no right on anything else.
CREATE ROLE tidemark_user LOGIN PASSWORD 'change-me';
CREATE SCHEMA tidemark_schema AUTHORIZATION tidemark_user;

-- People and dashboards read, tables that come later included.
CREATE ROLE tidemark_reader LOGIN PASSWORD 'change-me';
GRANT USAGE ON SCHEMA tidemark_schema TO tidemark_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE tidemark_user IN SCHEMA tidemark_schema GRANT SELECT ON TABLES TO tidemark_reader;
