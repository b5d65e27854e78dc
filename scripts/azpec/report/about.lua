-- The sections about accounts that were not read and about the page itself.

local html = require "azpec.report.html"
local ids = require "azpec.resource_id"
local parts = require "azpec.report.parts"

local fill = html.fill

local unreadable = { id = "unreadable", title = "Unreadable" }

local function place_of(id)
  local place = ids.parse(id) or {}
  return place.account_name and ("%s, resource group %s"):format(place.account_name, place.resource_group_name)
    or place.subscription_id and "subscription" or ""
end

-- Names the accounts that were deleted after they were found; or nil.
local function gone_of(data)
  local list = data.gone or {}
  return #list > 0 and parts.table("gone-table", html.count(#list, "account") .. " deleted before the reading",
    { { "Account" } }, html.each(list, function (id)
      return fill('<tr><th scope="row">{place}<small class="wrap">{id}</small></th></tr>', { place = place_of(id),
        id = id })
    end)) or nil
end

function unreadable.render(data, found)
  local list, gone = found.unreadable, gone_of(data)
  if #list == 0 then
    return parts.section(unreadable.id, unreadable.title, nil,
      fill('<p class="good">All accounts and subscriptions that were found were read.</p>{gone}', { gone = gone }))
  end
  return parts.section(unreadable.id, unreadable.title, "No number in this report includes their connections.",
    fill("{list}{gone}", { gone = gone, list = parts.table("unread-table",
      parts.places(list) .. " that could not be read",
      { { "Account or subscription" }, { "Kind" }, { "Message" } }, html.each(list, function (failure)
      return fill([[<tr><th scope="row">{place}<small class="wrap">{id}</small></th><td>{kind}{code}</td>]]
        .. [[<td>{message}</td></tr>]], { place = place_of(failure.id), id = failure.id, kind = failure.kind,
        code = failure.code and fill("<small>{code}</small>", { code = failure.code }), message = failure.message })
    end)) }))
end

local about = { id = "about", title = "About this report" }

local sources = {
  graph = "Azure Resource Graph has listed the accounts. It usually lags by less than a minute, sometimes by hours; "
    .. "an account that was created in that time is missing. Each listed account was read from Azure Resource Manager.",
  arm = "Azure Resource Manager has listed the accounts.",
}

local function entry(title, words)
  return words and fill("<div><dt>{title}</dt><dd>{words}</dd></div>\n", { title = title, words = words })
end

-- Lists the subscriptions that were looked in, each with its number of accounts, or that these could not be listed.
local function subscriptions_of(data, found)
  local list, counts, unread = data.subscriptions or {}, {}, {}
  for _, failure in ipairs(found.unreadable) do unread[failure.id:lower()] = true end
  for _, account in ipairs(found.accounts) do
    local id = ((ids.parse(account.id) or {}).subscription_id or ""):lower()
    counts[id] = (counts[id] or 0) + 1
  end
  if #list == 0 then return nil end
  return fill("{count}:<ul>{list}</ul>", { count = html.count(#list, "subscription"),
    list = html.each(list, function (id)
      local is_unread = unread["/subscriptions/" .. id:lower()]
      return fill("<li><code>{id}</code>, {accounts}</li>", { id = id, accounts = is_unread
        and "its accounts could not be listed" or html.count(counts[id:lower()] or 0, "account") })
    end) })
end

function about.render(data, found)
  return parts.section(about.id, about.title, nil, fill([[
<dl class="words">
<div><dt>Created</dt><dd>{time} by {maker}, from <code>{endpoint}</code>{version}. A change that was made while
the accounts were read may be missing. All times are UTC.</dd></div>
{subscriptions}{source}{reference}<div><dt>Not included</dt><dd>Accounts and subscriptions that the identity
may not see{lag}.</dd></div>
<div><dt>Outside the rules</dt><dd>An approved connection that no rule would approve if it were requested today. A
report without rules does not have this number.</dd></div>
<div><dt>Not in the journal</dt><dd>A connection that is approved or rejected, and whose status and ETag are not those
that its last write in the journal left: somebody decided or changed it by other means, or it was made anew. It counts
too if its writes changed the description alone, and if the write that decided has no known end. Without a
journal there is no such number. A connection that was deleted by other means is not looked for.</dd></div>
<div><dt>Consumer</dt><dd>The subscription of the private endpoint. “External”: a subscription that has none of the
accounts in this report.</dd></div>
<div><dt>Self-contained</dt><dd>The page loads nothing from elsewhere and sends nothing; its Content-Security-Policy
forbids both. Sorting and filtering need JavaScript, reading does not.</dd></div>
</dl>]], { subscriptions = entry("Looked in", subscriptions_of(data, found)),
    source = entry("Accounts found by", sources[data.accounts_from]),
    reference = entry("Change reference", data.journal and "The change that was named for a write. A policy has "
      .. "evaluated the write only if that has a policy token; without one nobody has checked the reference."),
    lag = data.accounts_from == "graph" and ", and accounts that Azure Resource Graph did not show yet" or "",
    time = parts.time(data.made_at), maker = data.made_by or "azpec", endpoint = data.endpoint or "",
    version = data.api_version and fill(", api-version {version}", { version = data.api_version }) }))
end

return { unreadable = unreadable, about = about }
