-- A database and an owner each for MLflow, Feast and Arthaflow, and a reader of statistics. Passwords come from the
-- environment. The image runs this when the volume is empty; run it again to change passwords (docs/cluster.md).
\set ON_ERROR_STOP on
\getenv mlflow_password MLFLOW_PASSWORD
\getenv feast_password FEAST_PASSWORD
\getenv arthaflow_password ARTHAFLOW_PASSWORD
\getenv monitor_password MONITOR_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', role)
FROM unnest(ARRAY['mlflow', 'feast', 'arthaflow', 'monitor']) AS wanted(role)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec

ALTER ROLE mlflow PASSWORD :'mlflow_password';
ALTER ROLE feast PASSWORD :'feast_password';
ALTER ROLE arthaflow PASSWORD :'arthaflow_password';
ALTER ROLE monitor PASSWORD :'monitor_password';
GRANT pg_monitor TO monitor;

SELECT format('CREATE DATABASE %I OWNER %I', name, name)
FROM unnest(ARRAY['mlflow', 'feast', 'arthaflow']) AS wanted(name)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

REVOKE ALL ON DATABASE mlflow, feast, arthaflow FROM PUBLIC;
