--- rates: whose share of successes is far below that of the others (Envoy's success rate ejection).
local rates = {}

--- Of those with enough requests, the ones below the mean by more than so many standard deviations.
-- @param list array of { endpoint =, total =, good = }
-- @param conf { minimum_hosts =, request_volume =, stdev_factor = }
-- @return array of items of the list
function rates.low(list, conf)
  local enough, sum = {}, 0
  for _, item in ipairs(list) do
    if item.total >= conf.request_volume then
      item.rate = item.good / item.total
      enough[#enough + 1], sum = item, sum + item.rate
    end
  end
  if #enough == 0 or #enough < conf.minimum_hosts then return {} end
  local mean, squares = sum / #enough, 0
  for _, item in ipairs(enough) do squares = squares + (item.rate - mean) ^ 2 end
  local least, low = mean - conf.stdev_factor * math.sqrt(squares / #enough), {}
  for _, item in ipairs(enough) do
    if item.rate < least then low[#low + 1] = item end
  end
  return low
end

return rates
