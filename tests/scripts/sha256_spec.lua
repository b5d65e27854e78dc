-- SHA-256 and HMAC against the examples of FIPS 180-4 and RFC 4231, and against sha256sum at every length of a block.

local sha256 = require "azpec.sha256"

describe("sha256", function ()
  it("gives the standard's digests", function ()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256.hex "")
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256.hex "abc")
    assert.equal("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      sha256.hex "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
  end)

  it("gives them in base64 as well", function ()
    assert.equal("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", sha256.base64 "")
    assert.equal("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", sha256.base64 "abc")
  end)

  it("equals sha256sum at each length around a block", function ()
    local name = os.tmpname()
    for length = 50, 130 do
      local text = ("\x80a\n"):rep(length):sub(1, length)
      local file = assert(io.open(name, "wb"))
      file:write(text)
      file:close()
      local pipe <close> = io.popen("sha256sum <" .. name)
      assert.equal(pipe:read "a":match "^%x+", sha256.hex(text))
    end
    os.remove(name)
  end)

  it("takes a key of any length", function ()
    assert.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      sha256.hmac(("\x0b"):rep(20), "Hi There"))
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      sha256.hmac("Jefe", "what do ya want for nothing?"))
    assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      sha256.hmac(("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
  end)
end)
