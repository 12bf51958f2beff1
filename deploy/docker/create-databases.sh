#!/bin/sh
# Runs once, when the PostgreSQL volume is empty: one database per service.
set -eu
for service in gateway orchestrator reporting notifier; do
  psql --username "$POSTGRES_USER" --dbname postgres --command "create database steptrail_$service"
done
