#!/bin/sh
# Buckets, and a user who may use them and nothing else. Credentials come from the environment, never as arguments. The image
# has a shell and little more: no grep.
set -eu
export MC_HOST_minio="http://${MINIO_ROOT_USER}:${MINIO_ROOT_PASSWORD}@${MINIO_ENDPOINT}"

mc mb --ignore-existing minio/arthaflow minio/arthaflow-backups
mc version enable minio/arthaflow-backups
case "$(mc ilm rule ls --json minio/arthaflow-backups 2>&1 || true)" in
  *'"Expiration"'*) ;;
  *) mc ilm rule add --expire-days 35 --noncurrent-expire-days 35 minio/arthaflow-backups ;;
esac

printf '%s\n%s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" | mc admin user add minio
mc admin policy create minio arthaflow "${POLICY:-/buckets/policy.json}"
if ! answer="$(mc admin policy attach minio arthaflow --user "$AWS_ACCESS_KEY_ID" 2>&1)"; then
  case "$answer" in
    *'already in effect'*) ;;
    *) echo "$answer" >&2; exit 1 ;;
  esac
fi
