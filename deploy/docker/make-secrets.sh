#!/usr/bin/env bash
# Make every secret that docker-compose.yml mounts, once. Nothing that exists is replaced.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
once() { if [ ! -e "$1" ]; then cat >"$1"; fi; }

random | once service_token
random | once admin_password
random | once postgres_password
random | once mongodb_password
random | once rabbitmq_password
random | once limits_password

printf 'default_user = steptrail\ndefault_pass = %s\n' "$(cat rabbitmq_password)" | once rabbitmq.conf
printf 'amqp://steptrail:%s@rabbitmq:5672/' "$(cat rabbitmq_password)" | once bus
printf 'mongodb://steptrail:%s@mongodb:27017/steptrail_catalog?authSource=admin' "$(cat mongodb_password)" | once catalog_store
printf 'mongodb://limits:%s@mongodb:27017/steptrail_limits?authSource=steptrail_limits' "$(cat limits_password)" | once limits
for service in gateway orchestrator reporting notifier; do
  printf 'postgresql+asyncpg://steptrail:%s@postgresql:5432/steptrail_%s' "$(cat postgres_password)" "$service" |
    once "${service}_store"
done

# The pair of keys that seals and opens the secrets of connections: `steptrail keys`, here or in the image.
if [ ! -e secrets.private ]; then
  if [ -x ../../../.venv/bin/steptrail ]; then
    ../../../.venv/bin/steptrail keys .
  else
    docker run --rm --user "$(id -u)" --volume "$PWD:/keys" steptrail:0.1.0 steptrail keys /keys
  fi
fi
# Containers read the files as another user than the one who made them; the folder itself stays closed to others.
chmod 644 -- *
chmod 711 .
echo "The secrets are in $PWD. Sign in as admin with the password in admin_password."
