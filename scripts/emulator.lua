#!/usr/bin/env lua5.4
-- Emulates Azure Resource Manager and Entra ID on loopback for demos and tests; --help tells all.

local folder = arg[0]:match "^(.*)/[^/]*$" or "."
-- No code from the current folder: the relative entries are removed, as in bin/azpec.
for _, kind in ipairs { "path", "cpath" } do package[kind] = (";" .. package[kind]):gsub(";+[^/;][^;]*", "") end
package.path, package.cpath = folder .. "/?.lua;" .. package.path, package.cpath .. ";" .. folder .. "/../build/?.so"

require "azpec.emulator.command".run(arg)
