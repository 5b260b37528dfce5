-- Run once, by the PostgreSQL image, on an empty data directory: three roles and the database.
-- Passwords come from the environment (\getenv), so that they are in no file and no argument list.
\getenv owner_password TANBI_OWNER_PASSWORD
\getenv service_password TANBI_SERVICE_PASSWORD

-- What the service may do; the migrations grant it table by table. No UPDATE, DELETE or TRUNCATE on transfers.
CREATE ROLE tanbi_app NOLOGIN;

-- The service. A member of tanbi_app and nothing else; it owns nothing.
CREATE ROLE tanbi_service LOGIN PASSWORD :'service_password' IN ROLE tanbi_app;

-- Owns the database and every table in it; used by `tanbi migrate` only.
CREATE ROLE tanbi_owner LOGIN PASSWORD :'owner_password';
CREATE DATABASE tanbi OWNER tanbi_owner ENCODING 'UTF8' TEMPLATE template0;

\connect tanbi
REVOKE ALL ON DATABASE tanbi FROM PUBLIC;
GRANT CONNECT ON DATABASE tanbi TO tanbi_app;
ALTER SCHEMA public OWNER TO tanbi_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO tanbi_app;
