#!/usr/bin/env lua5.4
-- Plays Azure Resource Manager and Entra ID on loopback for demos and tests; --help tells all.

local folder = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = folder .. "/?.lua;" .. package.path

require "azpec.emulator.command".run(arg)
