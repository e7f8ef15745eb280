#!/bin/sh
set -eu
export MC_HOST_s3="${S3_SCHEME}://${AWS_ACCESS_KEY_ID}:${AWS_SECRET_ACCESS_KEY}@${S3_HOST}"
mc cp --recursive "${OUT}/" "s3/arthaflow-backups/postgres/$(date -u +%Y-%m-%dT%H-%M-%SZ)/"
