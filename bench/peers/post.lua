-- The request of the workload `single`, as wrk sends it to the peer.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/cloudevents+json"
local head = '{"specversion":"1.0","id":"00000042-000000000000","source":"bench","type":"bench.use","subject":"s-00000000",'
  .. '"time":"2026-01-01T00:00:00Z","data":{"amount":1,"model":"'
wrk.body = head .. string.rep("m", 200 - #head - 3) .. '"}}'
