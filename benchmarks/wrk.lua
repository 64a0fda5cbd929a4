-- Sends the requests of a file in turn, and prints the result as one line of JSON.
-- The file contains the number of requests and the length of each, one a line; then all requests.
local requests, at = {}, 0

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   local lengths = {}
   for index = 1, file:read("*n") do lengths[index] = file:read("*n") end
   file:read(1)
   for index, length in ipairs(lengths) do requests[index] = file:read(length) end
   file:close()
end

function request()
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'result: {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
