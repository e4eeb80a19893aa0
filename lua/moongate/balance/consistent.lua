--- consistent: tables that keep a key on its endpoint, and move few keys when endpoints come or go.
-- Both are built from the endpoints' addresses, so every worker and every gateway builds the same one.
local consistent = {}

local POINTS = 160 -- per endpoint of the smallest weight on the ring, as ketama has it
local MOST_POINTS = 65536
local SIZE = 65537 -- of a Maglev table when nobody says otherwise; prime, as the permutations need

local function weight_sum(endpoints)
  local sum, least = 0, math.huge
  for _, endpoint in ipairs(endpoints) do
    sum, least = sum + endpoint.weight, math.min(least, endpoint.weight)
  end
  return sum, least
end

-- Points for each unit of weight: with a size, the least endpoint has its share of it, rounded up (Envoy's ring hash).
local function scale_of(endpoints, size)
  local sum, least = weight_sum(endpoints)
  local wanted = size and math.ceil(least / sum * size) / least or POINTS / least
  return math.min(wanted, MOST_POINTS / sum)
end

--- A ring: each endpoint stands on it at points in proportion to its weight.
-- @param hash function(string) giving an unsigned 32-bit number
-- @param size the least number of points, or nil: 160 for the endpoint of the smallest weight
-- @return function(number) giving the endpoint of a key's hash
function consistent.ring(endpoints, hash, size)
  local scale = scale_of(endpoints, size)
  local points = {}
  for _, endpoint in ipairs(endpoints) do
    for i = 1, math.max(1, math.floor(endpoint.weight * scale + 0.5)) do
      points[#points + 1] = { at = hash(endpoint.address .. "_" .. i), endpoint = endpoint }
    end
  end
  table.sort(points, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.endpoint.address < b.endpoint.address
  end)

  return function(key)
    local low, high = 1, #points + 1 -- the first point at or after the key
    while low < high do
      local middle = math.floor((low + high) / 2)
      if points[middle].at < key then low = middle + 1 else high = middle end
    end
    return (points[low] or points[1]).endpoint
  end
end

--- Whether a number can be the size of a Maglev table.
function consistent.is_prime(number)
  for divisor = 2, math.floor(math.sqrt(number)) do
    if number % divisor == 0 then return false end
  end
  return number > 1
end

--- A Maglev table (Eisenbud and others, NSDI 2016, section 3.4); heavier endpoints take more turns.
-- Parameters and result as those of ring(); `size` is the table's, a prime.
function consistent.maglev(endpoints, hash, size)
  size = size or SIZE
  local _, least = weight_sum(endpoints)
  local sorted = {}
  for i, endpoint in ipairs(endpoints) do sorted[i] = endpoint end
  table.sort(sorted, function(a, b) return a.address < b.address end)
  local at, skip, credit, slots, filled = {}, {}, {}, {}, 0
  for i, endpoint in ipairs(sorted) do
    at[i] = hash(endpoint.address) % size
    skip[i] = hash("skip_" .. endpoint.address) % (size - 1) + 1
    credit[i] = 0
  end

  local function take(i)
    while slots[at[i]] do at[i] = (at[i] + skip[i]) % size end
    slots[at[i]] = sorted[i]
    filled = filled + 1
  end

  while filled < size do
    for i, endpoint in ipairs(sorted) do
      credit[i] = credit[i] + endpoint.weight / least
      while credit[i] >= 1 and filled < size do
        credit[i] = credit[i] - 1
        take(i)
      end
    end
  end
  return function(key) return slots[key % size] end
end

return consistent
