-- code.lua [-s] FILE.c ... -- prints "file:line:code" of C files without their
-- comments; with -s also without what stands in strings and characters (but
-- never the name of an included file).
local strings = arg[1] == "-s" and table.remove(arg, 1)

local function blank(text) return (text:gsub("[^\n]", " ")) end

local function code(text)
  local out, at = {}, 1
  while at <= #text do
    local comment = text:match("^/%*.-%*/", at) or text:match("^//[^\n]*", at)
    local include = text:match("^#%s*include[^\n]*", at)
    local quoted = text:match('^"[^"\\\n]*"', at) or text:match("^'[^'\\\n]*'", at)
    if not quoted and text:find("^[\"']", at) then -- with an escape in it
      local mark, stop = text:sub(at, at), at + 1
      while stop <= #text and text:sub(stop, stop) ~= mark do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      quoted = text:sub(at, stop)
    end
    local piece = comment or include or quoted or text:match("^[%w_]+", at) or text:sub(at, at)
    if comment then
      out[#out + 1] = blank(piece)
    elseif quoted and strings and not include then
      out[#out + 1] = piece:sub(1, 1) .. blank(piece:sub(2, -2)) .. piece:sub(-1)
    else
      out[#out + 1] = piece
    end
    at = at + #piece
  end
  return table.concat(out)
end

for _, file in ipairs(arg) do
  local handle <close> = assert(io.open(file))
  local number = 0
  for line in code(handle:read "a"):gmatch "([^\n]*)\n" do
    number = number + 1
    print(("%s:%d:%s"):format(file, number, line))
  end
end
