#!/bin/sh
# Buckets, and a user who may use them and nothing else. Credentials come from the environment, never as arguments.
set -eu
export MC_HOST_minio="http://${MINIO_ROOT_USER}:${MINIO_ROOT_PASSWORD}@${MINIO_ENDPOINT}"

mc mb --ignore-existing minio/arthaflow minio/arthaflow-backups
mc version enable minio/arthaflow-backups
if [ -z "$(mc ilm rule ls --json minio/arthaflow-backups 2>/dev/null | grep '"Enabled"' || true)" ]; then
  mc ilm rule add --expire-days 35 --noncurrent-expire-days 35 minio/arthaflow-backups
fi

printf '%s\n%s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" | mc admin user add minio
mc admin policy create minio arthaflow /buckets/policy.json
mc admin policy attach minio arthaflow --user "$AWS_ACCESS_KEY_ID" || mc admin policy entities minio --user "$AWS_ACCESS_KEY_ID" | grep -q arthaflow
