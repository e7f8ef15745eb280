"""The Lua that Redis runs: one round trip before a computation and one after it, each atomic.

Keys are single ones of one server (with replicas and Sentinel as you like); Redis Cluster would need hash tags in them.
"""

from __future__ import annotations

LOOK_OR_LOCK = """
local found = redis.call('GET', KEYS[1])
if found and #found > 12 and struct.unpack('<d', string.sub(found, 5, 12)) > tonumber(ARGV[3]) then
  return {found, 0}
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {false, 1} end
return {false, 0}
"""
"""KEYS: answer, lock. ARGV: token, the lock's life in ms, when an answer must still be fresh. The answer, if it is
fresh; else whether the lock is ours."""

STORE = """
for place = 5, 6 do
  local gone = redis.call('GET', KEYS[place])
  if gone and tonumber(gone) + 1 >= tonumber(ARGV[5]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -9)
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
if ARGV[6] ~= '' then
  redis.call('SADD', KEYS[4], KEYS[1])
  if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[4], ARGV[2]) end
end
if redis.call('GET', KEYS[3]) == ARGV[7] then redis.call('DEL', KEYS[3]) end
return 1
"""
"""KEYS: answer, versions, lock, tag, tombstones of the tag and of the model. ARGV: answer, its life in ms, version,
time, when its computation began, tag, token. Keeps an answer, unless it was erased while it was computed, and gives the
lock back."""

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
"""KEYS: lock. ARGV: token (and life in ms). Compare and delete, compare and extend: nobody touches another's lock."""
