-- azpec emulator: emulates Azure on loopback.

return {
  summary = "emulate Azure Resource Manager and Entra ID on loopback, for trials",
  examples = {
    "azpec emulator --port 8080",
    "azpec emulator --tls-port 8443 --ca-file /tmp/emulator-ca.pem --option update_answer=200",
  },
  common = {},
  define = function (command)
    require "azpec.emulator.command".define(command)
  end,
  description = function ()
    return require "azpec.emulator.command".describe()
  end,
  run = function (context)
    return require "azpec.emulator.command".serve(context.args)
  end,
}
