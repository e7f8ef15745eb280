#!/bin/sh
# The password goes in through standard input: arguments can be read by whoever lists the processes.
set -eu
exec redis-server - <<EOF
$(cat "${REDIS_CONF:-/etc/redis/redis.conf}")
requirepass ${REDIS_PASSWORD}
EOF
