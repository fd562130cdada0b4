#!/bin/sh
# Makes the secrets that compose.yaml mounts, once; what is there already stays.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
# The container's user reads them through a bind mount, so that the folder guards them and not the files.
fresh() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
for name in database_password rca_api_key jwt_secret_key metrics_key; do
    [ -s "secrets/$name" ] || fresh >"secrets/$name"
done
[ -s secrets/database_url ] || printf 'postgresql://pipesleuth:%s@database:5432/pipesleuth?sslmode=disable' \
    "$(cat secrets/database_password)" >secrets/database_url
chmod 644 secrets/*
printf 'The key for webhooks is in %s\n' "$(pwd)/secrets/rca_api_key"
