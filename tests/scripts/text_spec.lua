-- Foreign text, as people, terminals, spreadsheets and CI systems meet it.

local assert = require "luassert"
local cjson = require "cjson"

local json = require "azpec.json"
local text = require "azpec.text"

-- By their code points: C1 controls, direction, separators, annotations, and the default-ignorable ones of Unicode.
local hidden = { 0x80, 0x85, 0x9b, 0x9d, 0x9f, 0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180e, 0x200b,
  0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2065, 0x2066, 0x2069, 0x206f, 0x3164, 0xfeff, 0xffa0,
  0xfff0, 0xfff8, 0xfff9, 0xfffb, 0x1bca0, 0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0xe0001, 0xe0041, 0xe007f, 0xe00ff,
  0xe01f0, 0xe0200, 0xe0fff }

-- Their neighbours that are shown: letters, joiners, variation selectors.
local neighbours = { 0xa0, 0xac, 0xae, 0x34e, 0x350, 0x115e, 0x1161, 0x17b6, 0x180b, 0x180d, 0x180f, 0x200a, 0x200c,
  0x200d, 0x2010, 0x202f, 0x205f, 0x2070, 0x3163, 0x3165, 0xfe00, 0xfe0f, 0xff9f, 0xffa1, 0xfffc, 0xfffd, 0x1bc9f,
  0x1d172, 0x1d17b, 0xe0100, 0xe01ef, 0xe1000 }

describe("a byte that belongs to no character", function ()
  it("is replaced, and the characters around it stay", function ()
    for given, shown in pairs { ["日\xff本"] = "日?本", ["\xe6\x97日"] = "??日", ["é\xc3"] = "é?", ["\x80"] = "?" } do
      assert.equal(shown, text.clean(given))
      local read = cjson.decode(json.encode { value = given }).value
      assert.truthy(utf8.len(read), shown)
      assert.equal(utf8.len(shown), utf8.len(read))
      local first, last = shown:match "^[^?]*", shown:match "[^?]*$"
      assert.same({ first, last }, { read:sub(1, #first), read:sub(#read - #last + 1) })
    end
  end)
end)

describe("a hidden character", function ()
  it("is a question mark to people", function ()
    for _, code in ipairs(hidden) do assert.equal("a?b", text.clean("a" .. utf8.char(code) .. "b")) end
    assert.equal("a?b?c?", text.clean "a\27b\127c\0")
    assert.equal("a?b", text.clean "a\x9bb") -- no UTF-8: the 8-bit form
  end)

  it("is escaped in JSON, and is the same when it is read", function ()
    for _, code in ipairs(hidden) do
      local value = "a" .. utf8.char(code) .. "\127b"
      local encoded = json.encode { value = value }
      assert.matches("^[\32-\126]+$", encoded)
      assert.same({ value = value }, cjson.decode(encoded))
    end
  end)

  it("is no neighbour of one", function ()
    for _, code in ipairs(neighbours) do
      local word = "a" .. utf8.char(code) .. "b"
      assert.equal(word, text.clean(word), ("U+%04X"):format(code))
      assert.equal('"' .. word .. '"', json.encode(word))
    end
  end)

  it("is not any letter", function ()
    local words = "日本語 é \u{5e9} \u{1F468}\u{200d}\u{1F469} a\u{200c}b ##heading a::b [x] 50%0A"
    assert.equal(words, text.clean(words))
    assert.equal('"' .. words .. '"', json.encode(words))
  end)
end)

describe("a command of a CI system", function ()
  -- What Azure Pipelines and TeamCity look for anywhere in a line.
  local anywhere = { "##vso[task.setvariable variable=x]y", "##VSO[task.complete]", "##[error]x", "###vso[x]",
    "##teamcity[buildStop]", "####[x]" }
  -- What GitHub Actions looks for at the start of one.
  local at_start = { "::set-output name=a::b", "::add-mask::x", "::stop-commands::t", "::error file=a,line=1::x" }
  local blanks = { "", " ", "\t", "\u{a0}", "\u{3000} ", "\u{feff}" }

  it("is none to people, in front of a text or within it", function ()
    for _, command in ipairs(anywhere) do
      for _, before in ipairs { "", "  ", "text ", "x%0A", "x\n" } do
        assert.is_nil(text.clean(before .. command):lower():find "##%a*%[", before .. command)
        assert.is_nil(text.clean_lines(before .. command):lower():find "##%a*%[")
      end
    end
    for _, command in ipairs(at_start) do
      for _, before in ipairs(blanks) do
        for _, line in ipairs { before .. command, "x%0A" .. before .. command, "x%0d" .. command } do
          local clean = text.clean(line)
          assert.is_nil(clean:find "^[%s\128-\255]*::%a", clean)
          assert.is_nil(clean:find "%%0[AaDd][%s\128-\255]*::%a", clean)
        end
        assert.is_nil(("\n" .. text.clean_lines("x\n" .. before .. command)):find "\n[%s\128-\255]*::%a")
      end
    end
  end)

  it("is none in JSON, which is the same when it is read", function ()
    for _, command in ipairs(anywhere) do
      local encoded = json.encode { value = command }
      assert.is_nil(encoded:find "##%a*%[")
      assert.same({ value = command }, cjson.decode(encoded))
    end
  end)

  it("is no address", function ()
    for _, line in ipairs { "::1", "::ffff:127.0.0.1", "fe80::1", "a::b::c" } do
      assert.equal(line, text.clean(line))
    end
  end)
end)

describe("a word for the shell", function ()
  it("is the same word there, moves no cursor and is no command of a CI system", function ()
    for _, word in ipairs { "a", "a b", "it's", "$(id)`id`", "\27[31mred", "a\n##vso[x]b", "##[error]x", "::error::x",
      "a\n::add-path::/tmp", "%0A::error::x", "\\0041\\n", "\u{202e}flip", "\xff", "日本 '\27'", "-n", "" } do
      local spelt = text.shell(word)
      assert.equal(spelt, text.clean(spelt), word)
      for _, shell in ipairs { "sh", "bash" } do
        local pipe <close> = io.popen(shell .. " <<'EOF'\nprintf %s " .. spelt .. "\nEOF\n")
        assert.equal(word, pipe:read "a", spelt)
      end
    end
  end)
end)

describe("a long text", function ()
  it("is shortened, however long it is", function ()
    assert.equal("ab…yz", text.shorten("ab" .. ("é"):rep(1200000) .. "yz", 5))
  end)

  it("is trimmed", function ()
    for given, wanted in pairs { [""] = "", [" \t\n"] = "", [" a "] = "a", ["a  b\n"] = "a  b", a = "a" } do
      assert.equal(wanted, text.trim(given))
    end
    assert.same({ "", "", " a", "a  b" }, { text.trim_end "", text.trim_end "  ", text.trim_end " a ",
      text.trim_end "a  b  " })
  end)
end)

describe("a formula", function ()
  local starts = { "=", "+", "-", "@", "\u{ff1d}", "\u{ff0b}", "\u{ff0d}", "\u{ff20}", "\u{fe62}", "\u{fe66}",
    "\u{2212}" }
  local disguises = { "", " ", "\t", "\r", "\n", '"', "'", "`", ' "', "\u{a0}", "\u{2003}", "\u{200b}", "\u{3000}",
    "\u{feff}", " \u{a0}\t'\"" }

  it("is one in any disguise", function ()
    for _, start in ipairs(starts) do
      for _, disguise in ipairs(disguises) do
        assert.is_true(text.is_formula(disguise .. start .. "HYPERLINK(1)"), disguise .. start)
      end
    end
    for _, cell in ipairs { "\tx", "\rx", "\nx" } do assert.is_true(text.is_formula(cell)) end
  end)

  it("is one behind characters that nobody sees", function ()
    local blank = { 0x1680, 0x180b, 0x180f, 0x200c, 0x200d, 0x2800, 0xfe00, 0xfe0f, 0xe0100, 0xe01ef }
    for _, codes in ipairs { hidden, blank } do
      for _, code in ipairs(codes) do
        local before = utf8.char(code)
        assert.is_true(text.is_formula(before .. "=1+1"), ("U+%04X"):format(code))
        assert.is_true(text.is_formula("\u{a0}" .. before .. " \u{ff1d}1+1"), ("U+%04X"):format(code))
        assert.is_false(text.is_formula(before .. "日=1"), ("U+%04X"):format(code))
      end
    end
  end)

  it("is no other text", function ()
    for _, cell in ipairs { "", " ", "a=1", "1-2", "'quoted'", "日本=1", "/subscriptions/x", "２", 'W/"0x8D"' } do
      assert.is_false(text.is_formula(cell), cell)
    end
  end)
end)
