#!/bin/sh
# Dump every database into $OUT. A dump that cannot be listed is no backup, and fails the Job.
set -eu
for database in mlflow feast arthaflow; do
  pg_dump --format=custom --compress=6 --file="${OUT}/${database}.dump" "${database}"
  pg_restore --list "${OUT}/${database}.dump" > /dev/null
done
ls -l "${OUT}"
