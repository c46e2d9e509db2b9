#!/usr/bin/env bash
# Runs once, when the database is made: the roles around the suite. Those of the services are made by `dafnck migrate`.
set -euo pipefail

secret() { tr -d '\n' <"/run/secrets/$1"; }

psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set pooler="$(secret pooler-password)" \
    --set monitor="$(secret monitor-password)" \
    --set backup="$(secret backup-password)" <<'SQL'
-- PgBouncer: finds the secrets of the services' roles, and nothing else.
CREATE ROLE dafnck_pooler LOGIN PASSWORD :'pooler';
CREATE SCHEMA pooler;
REVOKE ALL ON SCHEMA pooler FROM PUBLIC;
GRANT USAGE ON SCHEMA pooler TO dafnck_pooler;
CREATE FUNCTION pooler.secret_of(INOUT name name, OUT secret text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT rolname, rolpassword FROM pg_authid
    WHERE rolname = secret_of.name AND rolcanlogin
      AND rolname ~ '^(identity|project|task|content)_(service|worker)$'
$$;
REVOKE ALL ON FUNCTION pooler.secret_of(name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pooler.secret_of(name) TO dafnck_pooler;

-- Monitoring: reads statistics, no table.
CREATE ROLE dafnck_monitor LOGIN PASSWORD :'monitor' CONNECTION LIMIT 5;
GRANT pg_monitor TO dafnck_monitor;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- Backup: base backups and WAL over the replication protocol, and what Barman asks for besides.
CREATE ROLE dafnck_backup LOGIN REPLICATION PASSWORD :'backup';
GRANT pg_read_all_settings, pg_read_all_stats, pg_checkpoint TO dafnck_backup;
GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_switch_wal(),
    pg_create_restore_point(text) TO dafnck_backup;
SQL

# Backups come from the network of the suite.
echo 'host replication dafnck_backup all scram-sha-256' >>"$PGDATA/pg_hba.conf"
