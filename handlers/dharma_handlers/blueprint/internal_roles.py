"""The roles that the parts of a Postgres component use between themselves, as the script that each primary runs.

Patroni calls it at each start, promotion and reload, as the operating system's user `postgres`, who is the only superuser. So the internal
passwords follow their Secret without the operator, who is no superuser and could otherwise be locked out.
"""

from typing import Final

INTERNAL_ROLES_SCRIPT: Final = """\
#!/bin/sh
# Called by Patroni: <action> <role> <cluster>.
set -eu
if [ "$2" != primary ]; then exit 0; fi
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=/run/postgresql --username=postgres --dbname=postgres \\
  --file=/etc/patroni/internal-roles.sql
"""

_GROUPS: Final = (
    "pg_checkpoint, pg_create_subscription, pg_maintain, pg_read_all_data, pg_read_all_settings, pg_read_all_stats, "
    "pg_stat_scan_tables, pg_write_all_data"
)

_SCHEMA: Final = """\
CREATE SCHEMA IF NOT EXISTS dharma;
REVOKE ALL ON SCHEMA dharma FROM PUBLIC;
GRANT USAGE ON SCHEMA dharma TO dharma_operator, dharma_pooler;

CREATE OR REPLACE FUNCTION dharma.create_extension(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE pg_catalog.format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA public CASCADE', name);
END
$$;
REVOKE ALL ON FUNCTION dharma.create_extension(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dharma.create_extension(text) TO dharma_operator;
"""

_TEMPLATE: Final = """\
-- Safe to run again: it makes what is missing and sets the passwords of the mounted Secret.
SET client_min_messages = warning;
SET synchronous_commit = local;
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SELECT pg_catalog.pg_is_in_recovery() AS standby \\gset
\\if :standby
  \\quit
\\endif
\\set operator_password `cat /etc/patroni-secret/operator-password`
\\set pooler_password `cat /etc/patroni-secret/pooler-password`
\\set rewind_password `cat /etc/patroni-secret/rewind-password`
\\set standby_password `cat /etc/patroni-secret/standby-password`

BEGIN;
-- Two starts close together must not meet here.
SELECT pg_catalog.pg_advisory_xact_lock(7310579) \\g /dev/null
SELECT pg_catalog.format('CREATE ROLE %I', wanted.name)
FROM (VALUES ('dharma_operator'), ('dharma_pooler'), ('dharma_rewind'), ('dharma_standby')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) \\gexec

ALTER ROLE dharma_operator LOGIN NOSUPERUSER CREATEROLE CREATEDB PASSWORD :'operator_password';
ALTER ROLE dharma_pooler LOGIN NOSUPERUSER CONNECTION LIMIT 100 PASSWORD :'pooler_password';
ALTER ROLE dharma_rewind LOGIN NOSUPERUSER PASSWORD :'rewind_password';
ALTER ROLE dharma_standby LOGIN NOSUPERUSER REPLICATION PASSWORD :'standby_password';

-- The operator becomes another role (SET) to give it a database, and inherits nothing of it: data of users stays theirs.
ALTER ROLE dharma_operator SET createrole_self_grant = 'set';
ALTER ROLE dharma_operator SET search_path = pg_catalog;
ALTER ROLE dharma_pooler SET search_path = pg_catalog;
GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO dharma_operator WITH ADMIN TRUE, INHERIT TRUE, SET FALSE;
GRANT @GROUPS@ TO dharma_operator WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean), pg_catalog.pg_stat_file(text, boolean),
  pg_catalog.pg_read_binary_file(text), pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO dharma_rewind;

-- The maintenance database is for the parts of the component, not for users.
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO dharma_operator, dharma_pooler, dharma_rewind;

@SCHEMA@
CREATE OR REPLACE FUNCTION dharma.user_verifier(name text) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = name AND NOT rolsuper AND NOT rolreplication
$$;
CREATE OR REPLACE FUNCTION dharma.user_lookup(name text) RETURNS TABLE (usename text, passwd text)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT rolname::text, rolpassword FROM pg_catalog.pg_authid
  WHERE rolname = name AND rolcanlogin AND NOT rolsuper AND NOT rolreplication
    AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())
$$;
REVOKE ALL ON FUNCTION dharma.user_verifier(text), dharma.user_lookup(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dharma.user_verifier(text) TO dharma_operator;
GRANT EXECUTE ON FUNCTION dharma.user_lookup(text) TO dharma_pooler;
COMMIT;

-- New databases are copies of this one.
\\connect template1
SET client_min_messages = warning;
SET synchronous_commit = local;
BEGIN;
@SCHEMA@COMMIT;
"""

INTERNAL_ROLES_SQL: Final = _TEMPLATE.replace("@GROUPS@", _GROUPS).replace("@SCHEMA@", _SCHEMA)
"""psql commands. Passwords are read from files, so they stand in no argument list and in no log."""
