-- A script for lighttpd's mod_magnet that approves the connection whose id is the query of the URL: /approve?ID
-- The call blocks: all other requests of this worker wait until it returns. In lighttpd.conf:
--
--   $HTTP["url"] == "/approve" { magnet.attract-raw-url-to = ( "/etc/lighttpd/lighttpd-approve.lua" ) }
local azpec = require "azpec"
local connection, err = azpec.update { id = lighty.r.req_attr["uri.query"], status = "Approved", timeout = 30 }
lighty.r.resp_header["Content-Type"] = "text/plain; charset=utf-8"
lighty.r.resp_body.set { (connection and connection.name .. " is approved" or tostring(err)) .. "\n" }
return connection and 200 or 502
