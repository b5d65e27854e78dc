local file <close> = assert(io.open "README.md")
local readme = file:read "a"

describe("README.md", function ()
  it("holds Lua that compiles, block by block", function ()
    local count = 0
    for block in readme:gmatch "\n```lua\n(.-)```\n" do
      count = count + 1
      assert(load(block, "=(README, Lua block " .. count .. ")"))
    end
    assert(count >= 9, count .. " blocks")
  end)

  it("links only to headings that it has", function ()
    for anchor in readme:gmatch "%]%(#([%w-]+)%)" do
      local found
      for heading in readme:gmatch "\n##+ ([^\n]+)" do
        found = found or heading:lower():gsub("[^%w -]", ""):gsub(" ", "-") == anchor
      end
      assert(found, "no heading for #" .. anchor)
    end
  end)
end)
