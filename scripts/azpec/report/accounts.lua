-- The section with a tile for each account.

local figures = require "azpec.report.figures"
local html = require "azpec.report.html"
local parts = require "azpec.report.parts"

local fill = html.fill

local accounts = { id = "accounts", title = "Accounts" }

local function state_line(account)
  local counts, lines = account.counts, {}
  local function add(class, text)
    lines[#lines + 1] = fill('<li class="{class}">{text}</li>', { class = class, text = text })
  end
  if account.err then add("unread", "unreadable") end
  if counts.outside > 0 then add("outside", html.number(counts.outside) .. " outside the rules") end
  if counts.oldest then add("pending", "oldest pending " .. figures.age(counts.oldest)) end
  if #lines == 0 then add("calm", counts.total == 0 and "no connections" or "nothing pending") end
  return html.join(lines)
end

local function counts_of(counts)
  local list = {}
  for _, status in ipairs(figures.statuses) do
    local number = counts[status[2]]
    if number > 0 then
      list[#list + 1] = fill('<span class="dot {class}">{number} {status}</span>', { class = status[2],
        number = html.number(number), status = status[1]:lower() })
    end
  end
  if counts.other > 0 then
    list[#list + 1] = fill('<span class="dot other">{number} other</span>', { number = html.number(counts.other) })
  end
  return html.join(list)
end

local function tile(account)
  return fill([[
<li class="tile"><h3><a href="#connections" data-account="{number}">{name}</a></h3>
<p class="where">{group}<br><code>{subscription}</code></p>
{bar}
<p class="counts">{counts}</p>
<ul class="state">{state}</ul></li>]], { number = account.number, name = account.name,
    group = account.resource_group_name, subscription = account.subscription_id,
    bar = parts.bar(account.counts, account.counts.total), counts = counts_of(account.counts),
    state = state_line(account) })
end

function accounts.render(_, found)
  if #found.accounts == 0 then
    return parts.section(accounts.id, accounts.title, "There is no account with a private endpoint connection.",
      html.trusted "")
  end
  return parts.section(accounts.id, accounts.title, "Unreadable accounts come first, then those with connections "
    .. "outside the rules, then those with the oldest pending request.", fill('<ul class="tiles">\n{tiles}\n</ul>',
    { tiles = html.each(found.accounts, tile) }))
end

return accounts
