-- The token endpoint of others: oauth2-mock-server, with answers of many shapes, and @node-oauth/oauth2-server.

package.path = "./tests/?.lua;" .. package.path

local assert = require "luassert"
local cjson = require "cjson"
local npm = require "loopback.npm"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local resource, servers, why_not

local config = { tenant_id = "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01", scope = "https://management.azure.com/.default",
  client_id = "b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22",
  client_secret = [[o+i/d&c%41=s~"<>#?;@!$*(){}[]|^`,.-_']] } -- visible ASCII, the strict one wants

table.insert(signin.canaries, config.client_secret)

local null = cjson.null
local hour = os.time() + 3600

-- By client_id: what the mock makes of its answer, and how long the token lives by that, in seconds; nil: it is
-- refused with that text.
local shapes = {
  as_it_is = { {}, lives = 3600 },
  in_digits = { { members = { expires_in = "1800" } }, lives = 1800 },
  with_a_fraction = { { members = { expires_in = 1800.5 } }, lives = 1800 },
  without_a_life = { { members = { expires_in = null } }, lives = 600 },
  by_the_clock = { { members = { expires_in = null, expires_on = tostring(hour) } }, lives = 3600 },
  created = { { status = 201 }, lives = 3600 },
  type_in_lower_case = { { members = { token_type = "bearer" } }, lives = 3600 },
  dead_on_arrival = { { members = { expires_in = 0 } }, refused = "expiry time is invalid" },
  an_error_under_200 = { { members = { access_token = null, error = "invalid_grant",
    error_description = "AADSTS50173: revoked" } }, refused = "AADSTS50173: revoked" },
  an_error_without_words = { { status = 400, members = { access_token = null, error = "unauthorized_client" } },
    refused = "sign-in refused: unauthorized_client" },
  no_token = { { members = { access_token = null } }, refused = "has no access_token" },
}
config.shapes = {}
for name, shape in pairs(shapes) do config.shapes[name] = shape[1] end

local function start(folder)
  local fifo = t.new_path "ready"
  signin.shell("mkfifo -m 600 " .. t.quote(fifo))
  local pipe = assert(io.popen(("exec env -u LD_PRELOAD node tests/peers/oauth/server.mjs %s %s >%s")
    :format(t.quote(folder), t.quote(t.write(t.new_path "oauth", cjson.encode(config))), t.quote(fifo)), "w"))
  local output = assert(io.open(fifo))
  local endpoints = cjson.decode(output:read "l")
  return { pipe = pipe, output = output, mock = endpoints.mock, strict = endpoints.strict }
end

-- A client of that server that talks to a service which takes every token.
local function run(authority, more)
  local given = t.merged({ secret = config.client_secret, authority = authority, service = resource.endpoint,
    id = t.id, tenant_id = config.tenant_id, client_id = config.client_id }, more or {})
  return signin.run { given = given, credential = [[return azpec.credential.client_secret {
    tenant_id = given.tenant_id, client_id = given.client_id, client_secret = given.secret }]], body = [[
    client = new { credential = credential, authority_host = given.authority, endpoint = given.service }
    if get() then
      local who = assert(client:identity())
      note(0, nil, { message = tostring(who.expires_on - os.time()) })
    end]] }
end

local function check() if not servers then pending(why_not) end end

setup(function ()
  signin.start()
  local folder
  folder, why_not = npm.installed "tests/peers/oauth"
  servers = folder and start(folder)
end)
before_each(function ()
  resource = t.server { { headers = { t.json_type }, body = t.connection_json() } }
end)
after_each(t.tidy)
teardown(function ()
  if servers then servers.pipe:close() end
  t.close()
end)

describe("against oauth2-mock-server, an answer", function ()
  for name, shape in t.each(shapes) do
    it((shape.refused and "is refused: " or "is taken: ") .. name:gsub("_", " "), function ()
      check()
      local out = run(servers.mock, { client_id = name })
      if shape.refused then
        assert.is_false(out[1].ok)
        assert.truthy(out[1].message:find(shape.refused, 1, true), out[1].message)
        assert.equal(0, #resource:requests())
      else
        assert.is_true(out[1].ok, out[1].message)
        local lives = tonumber(out.results[2].message)
        assert(lives <= shape.lives + 1 and lives > shape.lives - 500, lives) -- whatever the machine's load
      end
    end)
  end
end)

describe("against @node-oauth/oauth2-server", function ()
  it("a secret of any characters is accepted", function ()
    check()
    assert.is_true(run(servers.strict)[1].ok)
    assert.equal(1, #resource:requests())
  end)

  it("a wrong secret, and a wrong scope, are refused in the server's words", function ()
    check()
    for text, more in pairs { invalid_client = { secret = "wrong" },
      invalid_scope = { scope = "https://x/.default" } } do
      local out = run(servers.strict, more)
      assert.is_false(out[1].ok)
      assert.equal("credential", out[1].kind)
      assert.truthy(out[1].message:find(text, 1, true), out[1].message)
    end
  end)
end)
