-- Kept-alive connections: an answer belongs to the request that it follows. What a server says on an idle HTTP/1
-- connection answers nothing (RFC 9112, 9.5), so that connection is not used again, and the request goes out on a new
-- one. Nobody notices: nothing was sent, so it is no failed try.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"

local evil_body = t.connection_json("Approved", { privateLinkServiceConnectionState = { status = "Approved",
  description = "EVIL" } })
local evil = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " .. #evil_body .. "\r\n\r\n"
  .. evil_body
local too_late = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
local honest = { headers = { t.json_type }, body = t.connection_json() }

local function description_of(connection)
  return connection.properties.privateLinkServiceConnectionState.description
end

local calls = {
  GET = function (client) return client:get(t.call(t.id)) end,
  PATCH = function (client) return client:update(t.call(t.id, { status = "Approved" })) end,
}

for _, tls in ipairs { false, true } do
  describe(tls and "a kept connection over TLS" or "a kept connection", function ()
    after_each(t.tidy)
    teardown(t.close)

    it("is used again while nothing comes over it", function ()
      local server = t.server({ honest }, tls)
      local client = server:client()
      for _ = 1, 10 do
        for _, call in t.each(calls) do assert(call(client)) end
      end
      assert.equal(20, #server:requests())
      assert.equal(1, server:connection_count())
    end)

    for method, call in t.each(calls) do
      for name, bytes in t.each { ["a whole 200"] = evil, ["a 408"] = too_late, ["half a head"] = "HTTP/1.1 2",
        ["an interim answer"] = "HTTP/1.1 103 Early Hints\r\n\r\n", ["a line break"] = "\r\n",
        ["what is not HTTP"] = "hello", ["many answers"] = evil:rep(200) } do
        it("that got " .. name .. " unasked is not used again: " .. method, function ()
          local server = t.server({ honest }, tls)
          local client = server:client { retry = { max_tries = 1 } }
          for n = 1, 3 do
            assert(calls.GET(client))
            server:unasked(bytes)
            assert.is_nil(description_of(assert(call(client))))
            assert.equal(n + 1, server:connection_count())
          end
          local methods = {}
          for n, request in ipairs(server:requests()) do
            methods[n] = request.method
            assert.equal(request.method == "PATCH", request.body:find '"Approved"' ~= nil) -- sent whole on the new one
          end
          assert.equal(("GET " .. method .. " "):rep(3), table.concat(methods, " ") .. " ")
        end)
      end

      it("that the server closed is not used again: " .. method, function ()
        local server = t.server({ honest }, tls)
        local client = server:client { retry = { max_tries = 1 } }
        for n = 1, 3 do
          assert(calls.GET(client))
          server:shut()
          assert(call(client))
          assert.equal(n + 1, server:connection_count())
        end
      end)

      it("whose answer had more bytes than its length answers nothing else: " .. method, function ()
        local head, body = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", honest.body
        local length = "Content-Length: " .. #body .. "\r\n\r\n"
        local chunks = ("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"):format(#body, body)
        for n, records in ipairs { { head .. length .. body .. evil }, { head .. length .. body, evil },
          { head .. length, body .. evil }, { head .. length, body, evil }, { head .. chunks .. evil },
          { head .. chunks, evil }, { "HTTP/1.1 204 No Content\r\n\r\n" .. evil } } do
          local server = t.server({ { times = 1, records = records }, honest }, tls)
          local client = server:client { retry = { max_tries = 1 } }
          local first = calls.GET(client)
          server:wait(1) -- all of the answer was written
          assert.is_nil(first and description_of(first))
          assert.is_nil(description_of(assert(call(client))), "case " .. n)
          assert.is_nil(description_of(assert(calls.GET(client))), "case " .. n)
        end
      end)
    end

    local broken = { raw = "", after = "close" }
    local first = { times = 1, headers = honest.headers, body = honest.body }

    it("that breaks under a GET costs no try, once", function ()
      local server = t.server({ first, { times = 1, raw = "", after = "close" }, honest }, tls)
      local client = server:client { retry = { max_tries = 1 } }
      assert(calls.GET(client))
      assert(calls.GET(client))
      assert.equal(3, #server:requests())
    end)

    it("that breaks under every GET is one failed try", function ()
      local server = t.server({ first, broken }, tls)
      local client = server:client { retry = { max_tries = 1 } }
      assert(calls.GET(client))
      t.fails("transport", "^the network connection was closed before the response was complete: ", calls.GET(client))
      assert.equal(3, #server:requests())
    end)

    it("that breaks under a PATCH leaves its outcome to a reading", function ()
      local server = t.server({ first, { times = 1, raw = "", after = "close" }, honest }, tls)
      local client = server:client()
      assert(calls.GET(client))
      assert(calls.PATCH(client))
      local requests = server:requests()
      assert.equal("PATCH", requests[2].method)
    end)

    it("that ends after each answer costs a PATCH one try", function ()
      local pending = t.connection_json "Pending"
      local server = t.server({ { method = "PATCH", later = true, raw = "", after = "close" },
        { method = "PATCH", headers = honest.headers, body = honest.body },
        { headers = honest.headers, body = pending } }, tls)
      local client = server:client { retry = { max_tries = 2, base_delay = 0.01 } }
      assert(calls.GET(client))
      assert(calls.PATCH(client))
      local methods = {}
      for n, request in ipairs(server:requests()) do methods[n] = request.method end
      assert.equal("GET PATCH GET PATCH", table.concat(methods, " "))
    end)

    it("is not used again by many requests at once", function ()
      local server = t.server({ honest }, tls)
      local client = server:client { retry = { max_tries = 1 } }
      for _ = 1, 2 do
        local pollers = {}
        for n = 1, 8 do pollers[n] = client:begin_update(t.call(t.id, { status = "Approved" })) end
        for n = 1, 8 do assert.is_nil(description_of(assert(pollers[n]:wait()))) end
        server:unasked(evil)
      end
      assert.is_nil(description_of(assert(calls.GET(client))))
      assert.equal(17, #server:requests())
    end)
  end)
end
