-- An update, or with a tombstone a renewal.
-- KEYS: row, tombstones, and on a server that has all keys: the owner's generation and index, if there is an owner.
-- ARGV[5]: hash; ARGV[6]: the expected revision; ARGV[7]: the new row; ARGV[8]: public id; ARGV[9]: in a cluster, the
-- new owner's generation, if known; ARGV[10]: the tombstone or ''.
local MAX_TOMBSTONES = 64
local old_hash, expected, new, tombstone = ARGV[5], ARGV[6], ARGV[7], ARGV[10]
local row = head(KEYS[1])
local held = lives(row) and holds(row)
-- Sent twice, by the network: it was done the first time.
local done = lives(row) and held ~= false and hash(row) == hash(new) and revision(row) == revision(new)
if done then
  -- Changes nothing; `WAIT` waits for it.
  redis.call('PEXPIRE', KEYS[1], ttl(expires(row)))
  return answer(1, doubt(row, held))
end
if not lives(row) or held == false or hash(row) ~= old_hash then return 0 end
if revision(row) ~= expected then return answer(2, doubt(row, held)) end
local kept = bond(row)
local lists = KEYS[3] and absolute_end(new) > absolute_end(row)
if owner(row) ~= owner(new) then
  -- Another owner takes the session: whether the last one had ended it has to be known before.
  if held == nil then return answer(3, doubt(row, held)) end
  kept = ZERO .. ZERO
  if is_owned(new) then
    if KEYS[3] then
      kept = generation(KEYS[3]) .. ZERO
      lists = true
    elseif ARGV[9] ~= '' then
      kept = ARGV[9] .. ZERO
    else
      return 4
    end
  end
end
redis.call('SET', KEYS[1], string.sub(new, 1, 85) .. kept .. string.sub(new, 102), 'PX', ttl(expires(new)))
if lists then enlist(KEYS[4], ARGV[8], absolute_end(new)) end
if tombstone ~= '' then
  local last = number(tombstone, 1)
  local all = redis.call('HGETALL', KEYS[2])
  local others = {}
  for at = 1, #all, 2 do
    local other = {hash = all[at], ends = number(all[at + 1], 1)}
    if other.ends + SLACK <= NOW then
      redis.call('HDEL', KEYS[2], other.hash)
    else
      others[#others + 1] = other
      last = math.max(last, other.ends)
    end
  end
  -- A session that is renewed in a loop must not make its renewals slower and slower: the oldest make way.
  table.sort(others, function(one, other) return one.ends > other.ends end)
  for at = MAX_TOMBSTONES, #others do redis.call('HDEL', KEYS[2], others[at].hash) end
  redis.call('HSET', KEYS[2], old_hash, tombstone)
  redis.call('PEXPIRE', KEYS[2], ttl(last))
end
return answer(1, doubt(row, held))
