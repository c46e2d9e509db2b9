#!/bin/sh
# Moves the suite's data from one database into four, one for each service, in the same cluster or in others.
# The services are stopped meanwhile; files and Redis stay where they are.
#
#   one-to-four.sh FROM TO
#
# FROM is the administrator's URL of the one database, TO that of the four, with {service} for the service's name:
#   one-to-four.sh postgres://admin@db/dafnck 'postgres://admin@{service}-db/dafnck_{service}'
# The four databases exist and are empty, or hold what an earlier run has left: it is replaced. FROM is left as it is, but
# for the foreign keys between the services; `dafnck migrate` brings them back there.
# DAFNCK names the program `dafnck`; pg_dump and psql are found on the PATH, and are not older than the servers.
set -eu
from=$1 to=$2
dafnck=${DAFNCK:-dafnck}

"$dafnck" migrate --admin-url "$from"
"$dafnck" migrate --admin-url "$from" down --set references --to 0 --yes
# Roles, and who may enter which database.
"$dafnck" migrate --admin-url "$to"
for service in identity project task content; do
    target=$(printf %s "$to" | sed "s/{service}/$service/g")
    # Into a file first: a dump that breaks off must not be restored.
    dump=$(mktemp)
    pg_dump --dbname="$from" --schema="$service" --clean --if-exists --file="$dump"
    psql --dbname="$target" --quiet --no-psqlrc --output=/dev/null --set=ON_ERROR_STOP=1 --single-transaction --file="$dump"
    rm "$dump"
    echo "moved $service"
done
# Takes over the changes of another cluster: see migrations/README.md.
"$dafnck" migrate --admin-url "$to"
