-- The resources that tokens can be asked for, by their identifier without slashes at the end.

local resources = {}

local known = {
  ["https://management.azure.com"] = "arm",
  ["https://management.core.windows.net"] = "arm",
  ["https://management.usgovcloudapi.net"] = "arm",
  ["https://management.core.usgovcloudapi.net"] = "arm",
  ["https://management.chinacloudapi.cn"] = "arm",
  ["https://management.core.chinacloudapi.cn"] = "arm",
  ["https://vault.azure.net"] = "vault",
  ["https://graph.microsoft.com"] = "graph",
  ["https://batch.core.windows.net"] = "batch",
}

-- What a token for that resource is good for; nil: nobody knows the resource.
function resources.find(identifier)
  return known[identifier:gsub("/+$", ""):lower()]
end

return resources
