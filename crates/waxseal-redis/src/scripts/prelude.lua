-- Before every script. Numbers are big-endian, and exact: a moment has 53 bits, as many as a number of Lua's.
-- ARGV[1]: what owners' keys begin with, on a server that has all keys; '' in a cluster
-- ARGV[2]: now
-- ARGV[3], ARGV[4]: in a cluster, an owner's tag and state, as far as known
local OWNERS, NOW, KNOWN_TAG, KNOWN_STATE = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local ZERO = string.rep('\0', 8)
-- What has ended stays for so long: clocks of others may be behind.
local SLACK = 300000

local function number(text, at) return (struct.unpack('>I8', text, at)) end
local function packed(value) return struct.pack('>I8', value) end

-- The parts of a row; docs/stores.md has the table.
local function hash(row) return string.sub(row, 2, 33) end
local function revision(row) return string.sub(row, 34, 49) end
local function expires(row) return number(row, 50) end
local function absolute_end(row) return number(row, 74) end
local function bond(row) return string.sub(row, 86, 101) end
local function is_owned(row) return string.byte(row, 102) == 1 end
local function tag(row) return is_owned(row) and string.sub(row, 105, 136) or '' end
local function owner(row) return is_owned(row) and string.sub(row, 137, 136 + string.byte(row, 103)) or false end

-- All of a row but the sealed bytes; '' if there is none.
local function head(key) return redis.call('GETRANGE', key, 0, 518) end
local function lives(row) return row ~= '' and expires(row) > NOW end

-- Milliseconds up to a moment, and the slack.
local function ttl(moment) return math.max(moment - NOW + SLACK, 1) end

-- Whether the owner has not ended the session since it became theirs; nil if that is kept elsewhere.
local function holds(row)
  if not is_owned(row) then return true end
  local state
  if OWNERS ~= '' then
    state = redis.call('GET', OWNERS .. '{' .. tag(row) .. '}:g') or ''
  elseif KNOWN_TAG == tag(row) then
    state = KNOWN_STATE
  else
    return nil
  end
  if state == '' then return true end
  local since, current = number(row, 86), number(state, 1)
  if since >= current then return true end
  -- Kept by the one who ended the others.
  local pass = string.sub(row, 94, 101)
  return since + 1 == current and pass ~= ZERO and pass == string.sub(state, 9, 16)
end

-- What to look up elsewhere before the answer counts: the row's bond and its owner's tag. False if nothing is.
local function doubt(row, held) return held == nil and bond(row) .. tag(row) end

-- A status, with what has to be looked up before it counts, and a row. A row alone is status 1. Most answers are one
-- value, which clients parse faster than a list of three.
local function answer(status, looked_up, row)
  if looked_up then return {status, looked_up, row} end
  return row or status
end

-- Whether an old hash has a tombstone that still answers: 8 bytes, its end.
local function has_tombstone(key, old)
  local ends = redis.call('HGET', key, old)
  return ends and number(ends, 1) > NOW
end

-- The owner's generation.
local function generation(key)
  local state = redis.call('GET', key)
  return state and string.sub(state, 1, 8) or ZERO
end

-- Notes a session in its owner's list, and forgets those that are over for sure.
-- A server whose memory is full refuses the first write of a script, if that may need more; not a later one. So a
-- write that may need more comes first where it is to be refused, and another one where it is not.
local function enlist(key, public_id, ends)
  local score = tonumber(redis.call('ZSCORE', key, public_id) or 0)
  redis.call('ZADD', key, math.max(score, ends), public_id)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', NOW - SLACK)
  if redis.call('PTTL', key) < ttl(ends) then redis.call('PEXPIRE', key, ttl(ends)) end
end
