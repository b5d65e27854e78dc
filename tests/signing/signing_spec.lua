-- azpec_signing: certificates and keys as the openssl command makes them, signatures as it verifies them.
local signing = require "azpec_signing"
local kit = dofile "tests/lua/kit.lua"

local dir = os.tmpname()
os.remove(dir)
local password = "corr\u{e9}ct horse"
local canary = "c4nary-p4ssw0rd"

local function at(name)
  return dir .. "/" .. name
end

-- Runs a shell command in the directory of the certificates; $1, $2 ... are the further arguments.
local function sh(command, ...)
  local words = { ("cd %s && set --"):format(dir) }
  for _, a in ipairs { ... } do words[#words + 1] = " '" .. a .. "'" end
  local script = table.concat(words) .. "; unset LD_PRELOAD; { " .. command .. "\n} 2>&1"
  local pipe = assert(io.popen(script))
  local out = pipe:read "a"
  local ok = pipe:close()
  return ok, out
end

local function must(command, ...)
  local ok, out = sh(command, ...)
  assert(ok, command .. "\n" .. out)
  return out
end

local function read(name)
  local file <close> = assert(io.open(at(name), "rb"))
  return file:read "a"
end

local function write(name, text)
  local file <close> = assert(io.open(at(name), "wb"))
  file:write(text)
end

-- A root, a leaf under it in every form that a file can have, and keys that will not do.  $1 is the password.
local fixtures = [[
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out leaf.key
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out root.key
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key
printf '[req]\ndistinguished_name=dn\n[dn]\n' > conf
for name in root short ec; do
  openssl req -x509 -new -config conf -key $name.key -subj /CN=$name -days 30 -out $name.crt || exit 1
done
openssl req -new -config conf -key leaf.key -subj /CN=leaf -out leaf.csr
openssl x509 -req -in leaf.csr -CA root.crt -CAkey root.key -set_serial 7 -days 9 -out leaf.crt
old="-req -in leaf.csr -CA root.crt -CAkey root.key -set_serial 8 -out expired.crt" # -days -1 until OpenSSL 3.3
openssl x509 -req -in leaf.csr -CA root.crt -CAkey root.key -set_serial 9 -days 36500 -out century.crt
openssl x509 $old -days -1 || openssl x509 $old -not_before 20240101000000Z -not_after 20240102000000Z
openssl pkey -in leaf.key -pubout -out leaf.pub
openssl pkcs8 -topk8 -in leaf.key -passout "pass:$1" -out leaf8.key
openssl rsa -in leaf.key -traditional -out leaf1.key
openssl rsa -in leaf.key -traditional -aes256 -passout "pass:$1" -out leaf1e.key
openssl pkcs8 -topk8 -in leaf.key -outform DER -passout "pass:$1" -out leaf8.der
openssl pkcs8 -topk8 -nocrypt -in leaf.key -outform DER -out leaf.der
openssl x509 -in leaf.crt -outform DER -out crt.der
all="-in leaf.crt -inkey leaf.key -certfile root.crt"
openssl pkcs12 -export $all -passout "pass:$1" -out strong.p12
openssl pkcs12 -export $all -passout pass: -out empty.p12
openssl pkcs12 -export $all -passout pass: -nomac -keypbe NONE -certpbe NONE -out bare.p12
openssl pkcs12 -export $all -passout "pass:$1" -nomac -out nomac.p12
openssl pkcs12 -export -nokeys -in leaf.crt -passout "pass:$1" -out nokey.p12
openssl pkcs12 -export -legacy $all -passout "pass:$1" -out old.p12 || rm -f old.p12
cat leaf.key leaf.crt root.crt > all.pem
cat root.crt leaf.crt leaf.key > backwards.pem
cat leaf8.key leaf.crt root.crt > all8.pem
cat leaf.crt root.crt > chain.pem
: > empty; openssl pkcs12 -in strong.p12 -passin "pass:$1" -nodes > bags.pem
sed 's/$/\r/' all.pem > crlf.pem; { printf '\357\273\277'; cat leaf.crt leaf.key; } > bom.pem
head -c 1048577 /dev/zero > large; truncate -s 4G huge; ln -s /proc/self/mem memory
mkfifo pipe; ln -s /dev/zero zero; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1)'
sed '3s/^...../!!!!!/' leaf.crt > damaged.crt; head -c 700 strong.p12 > cut.p12
]]

local function loaded(t)
  local key, err = signing.load(t)
  if not key then error(err, 2) end
  return key
end

local function der(tag, content)
  if #content < 65536 then return string.char(tag, 0x82) .. (">s2"):pack(content) end
  return string.char(tag, 0x83) .. (">s3"):pack(content)
end

local function oid(hex)
  return "\6" .. ("s1"):pack((hex:gsub("%x%x", function (x) return string.char(tonumber(x, 16)) end)))
end

-- Why load refused, without the directory.
local function why(t)
  local key, err = signing.load(t)
  assert.is_nil(key)
  assert.equal("string", type(err))
  return (err:gsub(dir .. "/", ""))
end

local pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256"

local function verified(data, signature, options)
  write("data", data)
  write("signature", signature)
  local ok, out = sh("openssl dgst -sha256 -verify leaf.pub " .. options .. " -signature signature data")
  if out == "Verified OK\n" then return ok end
  assert.truthy(not ok and out:lower():find "verif", out)
  return false
end

-- The same key, whatever it came from.
local function is_leaf(t, chain)
  local key <close> = loaded(t)
  assert.equal(chain or 2, #key:chain())
  assert.truthy(verified("some bytes", key:sign("PS256", "some bytes"), pss))
end

setup(function ()
  assert(os.execute("mkdir -m 700 " .. dir))
  must("{ " .. fixtures .. "\n} >log 2>&1; test -s bags.pem -a -s cut.p12 -a -s expired.crt || { cat log; exit 1; }",
       password)
end)

teardown(function ()
  os.execute("rm -rf " .. dir)
end)

describe("signing.load", function ()
  it("takes certificates and key from one PEM file", function ()
    is_leaf { certificate_path = at "all.pem" }
  end)

  it("takes them from one PEM text", function ()
    is_leaf { certificate = read "all.pem" }
  end)

  it("takes them from two files, from two texts, and from one of each", function ()
    is_leaf { certificate_path = at "chain.pem", key_path = at "leaf.key" }
    is_leaf { certificate = read "chain.pem", key = read "leaf.key" }
    is_leaf { certificate = read "chain.pem", key_path = at "leaf.key" }
    is_leaf { certificate_path = at "chain.pem", key = read "leaf.key" }
  end)

  it("takes the key given apart, not the one beside the certificate", function ()
    is_leaf { certificate = read "chain.pem" .. read "root.key", key = read "leaf.key" }
    assert.equal("key: the certificate and the private key do not belong together",
                 why { certificate = read "leaf.crt" .. read "leaf.key", key = read "root.key" })
  end)

  it("takes of several keys the one that a certificate belongs to, wherever it stands", function ()
    for _, keys in ipairs { { "ec.key", "leaf.key" }, { "short.key", "leaf1.key", "ec.key" },
      { "leaf.key", "ec.key" } } do
      local text = ""
      for _, name in ipairs(keys) do text = text .. read(name) end
      is_leaf { certificate = read "chain.pem", key = text }
      is_leaf { certificate = text .. read "chain.pem" }
      is_leaf { certificate = read "chain.pem" .. text }
    end
    is_leaf { certificate = read "all.pem" .. read "leaf8.key" } -- another key, and its password is not known
  end)

  it("takes RSA's own PEM form, encrypted or not", function ()
    is_leaf({ certificate_path = at "leaf.crt", key_path = at "leaf1.key" }, 1)
    is_leaf({ certificate_path = at "leaf.crt", key_path = at "leaf1e.key", password = password }, 1)
  end)

  it("takes an encrypted PKCS#8 key", function ()
    is_leaf { certificate_path = at "all8.pem", password = password }
    is_leaf { certificate_path = at "chain.pem", key_path = at "leaf8.key", password = password }
  end)

  it("passes over a password that nothing needs", function ()
    is_leaf { certificate_path = at "all.pem", password = "unused" }
    is_leaf { certificate_path = at "bare.p12", password = "unused" }
  end)

  it("takes DER, of certificates and of keys", function ()
    is_leaf({ certificate_path = at "crt.der", key_path = at "leaf.der" }, 1)
    is_leaf({ certificate = read "crt.der", key_path = at "leaf8.der", password = password }, 1)
  end)

  it("knows PKCS#12 by its content, in a file of any name and in memory", function ()
    must "cp strong.p12 strong.pem"
    is_leaf { certificate_path = at "strong.p12", password = password }
    is_leaf { certificate_path = at "strong.pem", password = password }
    is_leaf { certificate = read "strong.p12", password = password }
  end)

  it("takes PKCS#12 with the empty password, whether that is given or not", function ()
    is_leaf { certificate_path = at "empty.p12" }
    is_leaf { certificate_path = at "empty.p12", password = "" }
    is_leaf { certificate_path = at "bare.p12" }
  end)

  it("takes PKCS#12 without a MAC", function ()
    is_leaf { certificate_path = at "nomac.p12", password = password }
  end)

  it("takes the key of a PKCS#12 file for a certificate elsewhere, and the other way round", function ()
    is_leaf({ certificate_path = at "leaf.crt", key_path = at "strong.p12", password = password }, 1)
    is_leaf { certificate_path = at "strong.p12", key_path = at "leaf.key", password = password }
  end)

  it("takes PKCS#12 in an old encryption (RC2)", function ()
    if not io.open(at "old.p12") then return pending "this openssl has no -legacy" end
    is_leaf { certificate_path = at "old.p12", password = password }
    assert.equal("certificate_path 'old.p12': the password is wrong", why {
      certificate_path = at "old.p12", password = "x" })
    assert.equal("certificate_path 'old.p12': it is encrypted: password needed",
                 why { certificate_path = at "old.p12" })
  end)

  it("takes PKCS#12 in each encryption that tools write, with and without names", function ()
    local all = "-in leaf.crt -inkey leaf.key -certfile root.crt"
    local forms = { "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
      "-keypbe AES-128-CBC -certpbe AES-128-CBC", "-keypbe AES-256-CBC -certpbe NONE",
      "-keypbe NONE -certpbe AES-256-CBC", "-iter 1 -maciter", "-nomaciter",
      "-name azpec -caname root", "-name '' -CSP 'Microsoft Enhanced RSA and AES Cryptographic Provider'",
      "-macalg sha512" }
    for _, form in ipairs(forms) do
      for _, secret in ipairs { password, "" } do
        must("openssl pkcs12 -export " .. all .. " " .. form .. ' -passout "pass:$1" -out form.p12', secret)
        is_leaf { certificate_path = at "form.p12", password = secret }
      end
    end
  end)

  it("takes PKCS#12 as base64, as Azure Key Vault returns it, in one line or in many", function ()
    for _, format in ipairs { "base64 -A", "base64", "base64 | sed 's/$/\\r/'" } do
      must("openssl enc -in strong.p12 -" .. format .. " > form.b64")
      is_leaf { certificate_path = at "form.b64", password = password }
      is_leaf { certificate = "\n" .. read "form.b64" .. " ", password = password }
    end
    assert.equal("certificate: the password is wrong", why { certificate = read "form.b64", password = "x" })
    assert.equal("certificate: no certificate in it (it is neither PEM nor PKCS#12)",
      why { certificate = "MIIBase64OfNothing" })
    is_leaf({ certificate = must "openssl x509 -in leaf.crt -outform DER | openssl base64", key = read "leaf.key" }, 1)
  end)

  it("takes encrypted PEM in each form that openssl writes", function ()
    for _, form in ipairs { "pkcs8 -topk8 -v2 aes256", "pkcs8 -topk8 -v2 des3",
      "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA512", "pkcs8 -topk8 -v1 PBE-SHA1-3DES",
      "pkcs8 -topk8 -scrypt", "rsa -traditional -aes128", "rsa -traditional -des3",
      "pkcs8 -topk8 -v2 aes256 -outform DER" } do
      must("openssl " .. form .. ' -in leaf.key -passout "pass:$1" -out form.key', password)
      is_leaf({ certificate_path = at "leaf.crt", key_path = at "form.key", password = password }, 1)
      assert.equal("key_path 'form.key': the password is wrong",
        why { certificate_path = at "leaf.crt", key_path = at "form.key", password = canary })
    end
  end)

  it("takes texts with CRLF, with bag attributes, and with a mark of UTF-8 at the beginning", function ()
    is_leaf { certificate_path = at "crlf.pem" }
    is_leaf { certificate_path = at "bags.pem" }
    is_leaf({ certificate_path = at "bom.pem" }, 1)
  end)

  it("takes an expired certificate, and lets it be seen", function ()
    local key <close> = loaded { certificate_path = at "expired.crt", key_path = at "leaf.key" }
    assert.truthy(key:expires_on() < os.time())
  end)

  it("gives an end beyond 2038, which a 32-bit time cannot", function ()
    local key <close> = loaded { certificate_path = at "century.crt", key_path = at "leaf.key" }
    assert.near(os.time() + 36500 * 86400, key:expires_on(), 86400)
  end)

  it("never asks for a password, whether there is a standard input or not", function ()
    for _, f in ipairs { "leaf8.key", "leaf1e.key", "leaf8.der", "strong.p12" } do
      assert.equal(("key_path '%s': it is encrypted: password needed"):format(at(f)), kit.child(([[
        print(select(2, require "azpec_signing".load { certificate_path = "%s", key_path = "%s" }))
      ]]):format(at "leaf.crt", at(f))))
    end
  end)
end)

local unusable = {
  { "a file that is not there", { certificate_path = "nowhere.pem" },
    "certificate_path 'nowhere.pem': No such file or directory" },
  { "a key file that is not there", { certificate_path = "leaf.crt", key_path = "nowhere.key" },
    "key_path 'nowhere.key': No such file or directory" },
  { "a directory", { certificate_path = "." }, "certificate_path '.': not a regular file but a directory" },
  { "a pipe", { certificate_path = "pipe" }, "certificate_path 'pipe': not a regular file but a pipe" },
  { "a socket", { certificate_path = "socket" }, "certificate_path 'socket': not a regular file but a socket" },
  { "a device", { certificate_path = "zero" }, "certificate_path 'zero': not a regular file but a device" },
  { "a process's memory", { certificate_path = "memory" }, "certificate_path 'memory': it is empty" },
  { "a file of 4 GiB", { certificate_path = "huge" }, "certificate_path 'huge': larger than 1 MiB" },
  { "an empty file", { certificate_path = "empty" }, "certificate_path 'empty': it is empty" },
  { "a file too large", { certificate_path = "large" }, "certificate_path 'large': larger than 1 MiB" },
  { "something else", { certificate_path = "log" },
    "certificate_path 'log': no certificate in it (it is neither PEM nor PKCS#12)" },
  { "half a PKCS#12 file", { certificate_path = "cut.p12", password = password },
    "certificate_path 'cut.p12': no certificate in it (it is neither PEM nor PKCS#12)" },
  { "a damaged PEM block", { certificate_path = "damaged.crt", key_path = "leaf.key" },
    "certificate_path 'damaged.crt': a PEM block in it is damaged" },
  { "no certificate", { certificate_path = "leaf.key" }, "certificate_path 'leaf.key': no certificate in it" },
  { "no key", { certificate_path = "chain.pem" },
    "certificate_path 'chain.pem': no private key in it, and neither 'key' nor 'key_path' is given" },
  { "no key in the key's file", { certificate_path = "chain.pem", key_path = "root.crt" },
    "key_path 'root.crt': no private key in it" },
  { "something else as the key", { certificate_path = "chain.pem", key_path = "log" },
    "key_path 'log': no private key in it (it is neither PEM nor PKCS#12)" },
  { "a DER certificate as the key", { certificate_path = "chain.pem", key_path = "crt.der" },
    "key_path 'crt.der': no private key in it (it is neither PEM nor PKCS#12)" },
  { "no key in PKCS#12", { certificate_path = "nokey.p12", password = password },
    "certificate_path 'nokey.p12': no private key in it, and neither 'key' nor 'key_path' is given" },
  { "a password for PEM", { certificate_path = "all8.pem" },
    "certificate_path 'all8.pem': it is encrypted: password needed" },
  { "a password for RSA's own form", { certificate_path = "leaf.crt", key_path = "leaf1e.key" },
    "key_path 'leaf1e.key': it is encrypted: password needed" },
  { "a password for PKCS#12", { certificate_path = "strong.p12", password = "" },
    "certificate_path 'strong.p12': it is encrypted: password needed" },
  { "the right password for PEM", { certificate_path = "all8.pem", password = canary },
    "certificate_path 'all8.pem': the password is wrong" },
  { "the right password for RSA's own form",
    { certificate_path = "leaf.crt", key_path = "leaf1e.key", password = canary },
    "key_path 'leaf1e.key': the password is wrong" },
  { "the right password for DER", { certificate_path = "leaf.crt", key_path = "leaf8.der", password = canary },
    "key_path 'leaf8.der': the password is wrong" },
  { "the right password for PKCS#12", { certificate_path = "strong.p12", password = canary },
    "certificate_path 'strong.p12': the password is wrong" },
  { "the other half of a pair", { certificate_path = "leaf.crt", key_path = "root.key" },
    "key_path 'root.key': the certificate and the private key do not belong together" },
  { "an RSA key", { certificate_path = "ec.crt", key_path = "ec.key" },
    "key_path 'ec.key': the private key is not RSA but EC; Microsoft Entra ID accepts RSA keys only" },
  { "a longer key", { certificate_path = "short.crt", key_path = "short.key" },
    "key_path 'short.key': the RSA key is too short: 1024 bits, at least 2048 are needed" },
}

describe("signing.load names the missing part:", function ()
  for _, case in ipairs(unusable) do
    it(case[1], function ()
      local t = {}
      for k, v in pairs(case[2]) do t[k] = k:find "_path$" and at(v) or v end
      assert.equal(case[3], why(t))
    end)
  end

  it("an unreadable file", function ()
    if must "id -u" == "0\n" then
      assert.equal("Not a directory", why { certificate_path = at "leaf.crt/x" }:match ": (.*)")
    else
      must "cp leaf.crt locked; chmod 0 locked"
      assert.equal("certificate_path 'locked': Permission denied", why { certificate_path = at "locked" })
    end
  end)

  it("by the field where the part came as text", function ()
    assert.equal("certificate: it is empty", why { certificate = "" })
    assert.equal("certificate: larger than 1 MiB", why { certificate = (" "):rep(1048577) })
    assert.equal("certificate: no certificate in it", why { certificate = read "leaf.key" })
    assert.equal("key: the password is wrong",
                 why { certificate = read "leaf.crt", key = read "leaf8.key", password = canary })
  end)

  it("too many certificates", function ()
    assert.equal("certificate: more than 32 certificates in it",
                 why { certificate = read "leaf.key" .. read("leaf.crt"):rep(33) })
    is_leaf({ certificate = read "leaf.key" .. read("leaf.crt"):rep(32) }, 1)
  end)

  it("the line ends of PEM that a variable or a form has lost", function ()
    local pem = read "leaf.crt" .. read "leaf.key"
    for _, ending in ipairs { "\\n", " ", "", "\r" } do
      assert.equal("certificate: its PEM text has no line ends; end each line with a line feed",
        why { certificate = (pem:gsub("\n", ending)) })
    end
  end)

  it("a key whose private numbers are damaged, though its public half is whole", function ()
    local key = read "leaf.der"
    local _, head = key:find("\2\3\1\0\1\2", 1, true) -- behind 65537 the private exponent
    local function flipped(text, n)
      return text:sub(1, n - 1) .. string.char(text:byte(n) ~ 1) .. text:sub(n + 1)
    end
    assert.equal("key: the private key in it is damaged",
      why { certificate = read "leaf.crt", key = flipped(flipped(key, head + 40), #key) })
  end)

  local slow = ": the hashes of its password are unknown or have more than 5000000 rounds together; "
    .. "export it with PBKDF2 and fewer rounds"
  local two_million, eight_million = "\2\3\x1e\x84\x80", "\2\3\x7f\xff\xff" -- as ASN.1 has them

  local function is_long() -- some millions of rounds are hashed
    if os.getenv "TEST_UNDER" == "valgrind" then pending "takes minutes under valgrind" end
  end

  -- Replaces the nth number 100000, or each.
  local function with_rounds(text, nth, rounds)
    local seen = 0
    local changed = text:gsub("\2\3\1\x86\xa0", function ()
      seen = seen + 1
      return (not nth or seen == nth) and (rounds or eight_million) or nil
    end)
    return seen >= (nth or 1) and changed
  end

  it("a password that is to be hashed for hours", function ()
    must "openssl pkcs8 -topk8 -in leaf.key -outform DER -passout pass:x -iter 100000 -out rounds8.der"
    assert.equal("key" .. slow, why { certificate = read "leaf.crt", key = with_rounds(read "rounds8.der", 1),
      password = "x" })
    must "openssl pkcs12 -export -in leaf.crt -inkey leaf.key -passout pass:x -iter 100000 -out rounds.p12"
    local text, nth = read "rounds.p12", 1
    while with_rounds(text, nth) do -- the MAC's, the certificate's, the key's
      assert.equal("certificate" .. slow, why { certificate = with_rounds(text, nth), password = "x" })
      nth = nth + 1
    end
    assert.truthy(nth > 2)
    is_leaf({ certificate = text, password = "x" }, 1)
    is_long()
    assert.equal("certificate" .. slow, why { certificate = with_rounds(text, nil, two_million), password = "x" })
  end)

  it("a PKCS#12 file of many parts, each with few rounds but all together with many", function ()
    is_long()
    must "openssl pkcs12 -export -nokeys -in leaf.crt -passout pass:x -iter 100000 -out part.p12"
    local text = read "part.p12"
    local from = text:find("\x30\x82..\6\x09%\x2a\x86\x48\x86\xf7\x0d\1\7\6") -- the encrypted part
    local part = text:sub(from, from + 3 + (">I2"):unpack(text, from + 2))
    local parts = der(0x30, with_rounds(part, 1, two_million):rep(300))
    local many = der(0x30, "\2\1\3" .. der(0x30, oid "2a864886f70d010701" .. der(0xa0, der(4, parts))))
    assert.equal("certificate" .. slow, why { certificate = many, key = read "leaf.key", password = "x" })
  end)

  it("keys in PEM after the first, each with few rounds but all together with many", function ()
    is_long()
    must "openssl pkcs8 -topk8 -in leaf.key -outform DER -passout pass:other -iter 100000 -out other.der"
    write("other.der", with_rounds(read "other.der", 1, two_million))
    must "{ echo '-----BEGIN ENCRYPTED PRIVATE KEY-----'; openssl base64 -in other.der; \
      echo '-----END ENCRYPTED PRIVATE KEY-----'; } > other.key"
    must "cat leaf.crt leaf.key > keys.pem; for n in $(seq 300); do cat other.key; done >> keys.pem"
    is_leaf({ certificate_path = at "keys.pem", password = "x" }, 1) -- all of them would take many minutes
  end)

  it("a password that scrypt is to hash for long, by its cost, its block size or its parallelization", function ()
    local form = "-outform DER -scrypt -scrypt_N 1024 -scrypt_r 1 -scrypt_p 256"
    must("openssl pkcs8 -topk8 -in leaf.key -passout pass:x " .. form .. " -out scrypt.der")
    local function key(numbers) -- ASN.1 of N, r and p
      local text, n = read "scrypt.der":gsub("\2\2\4\0\2\1\1\2\2\1\0", numbers)
      assert.equal(1, n)
      return { certificate = read "leaf.crt", key = text, password = "x" }
    end
    for _, numbers in ipairs { "\2\2\x4d\0\2\1\1\2\2\1\0", "\2\2\4\0\2\1\x14\2\2\1\0", "\2\2\4\0\2\1\1\2\2\x20\0" } do
      assert.equal("key" .. slow, why(key(numbers)))
    end
    is_leaf(key "%0", 1)
  end)

  it("a password with a hash whose work azpec does not know", function ()
    must "openssl pkcs8 -topk8 -in leaf.key -outform DER -passout pass:x -out known.der"
    local unknown, n = read "known.der":gsub("\x2a\x86\x48\x86\xf7\x0d\1\5\x0c", "\x2a\x86\x48\x86\xf7\x0d\1\5\x63")
    assert.equal(1, n)
    assert.equal("key" .. slow, why { certificate = read "leaf.crt", key = unknown, password = "x" })
  end)

  it("a MAC of PKCS#12 by PBMAC1 that is to be computed for hours", function ()
    local function pbmac1(rounds, salt, length) -- RFC 9579, around the content of a file without a MAC
      local hmac = der(0x30, oid "2a864886f70d0209" .. "\5\0")
      local pbkdf2 = der(0x30, oid "2a864886f70d01050c" .. der(0x30, (salt or "\4\4salt") .. "\2\3" .. rounds .. "\2\1"
        .. (length or "\x20") .. hmac))
      local how = der(0x30, oid "2a864886f70d01050e" .. der(0x30, pbkdf2 .. hmac))
      local mac = der(0x30, der(0x30, how .. "\4\x20" .. ("m"):rep(32)) .. "\4\4salt\2\1\1")
      return der(0x30, read "nomac.p12":sub(5) .. mac)
    end
    assert.equal("certificate" .. slow, why { certificate = pbmac1 "\x7f\xff\xff", password = password })
    assert.equal("certificate" .. slow, why { certificate = pbmac1("\1\0\0", nil, "\x41"), password = password })
    assert.equal("certificate" .. slow, why { certificate = pbmac1("\1\0\0", "\5\0"), password = password })
    local few = why { certificate = pbmac1 "\1\0\0", password = password } -- a wrong MAC; OpenSSL 3.3 knows none such
    assert.truthy(few == "certificate: the password is wrong" or few:find("does not support", 1, true), few)
  end)

  it("any cut or changed byte of PKCS#12 is refused or harmless, never more", function ()
    local text = read "bare.p12"
    for i = 1, #text, 37 do
      local changed = text:sub(1, i - 1) .. string.char(text:byte(i) ~ 0x41) .. text:sub(i + 1)
      for _, t in ipairs { text:sub(1, i - 1), changed } do
        local key, err = signing.load { certificate = t }
        assert.truthy(key or type(err) == "string")
        if key then key:close() end
      end
    end
  end)
end)

describe("signing.load raises for misuse:", function ()
  local cases = {
    { "no table", "bad argument #1 to 'load' (table expected, got nil)", nil },
    { "no certificate", "bad field 'certificate' (this or 'certificate_path' expected)", {} },
    { "a number", "bad field 'certificate' (string expected, got number)", { certificate = 1 } },
    { "a path that is none", "bad field 'key_path' (string expected, got boolean)",
      { certificate = "x", key_path = true } },
    { "an unknown field", "unknown field 'pasword'", { certificate = "x", pasword = canary } },
    { "a value without a name", "unknown field (a number) among the options", { "x" } },
    { "text and path", "fields 'certificate' and 'certificate_path': give one or the other",
      { certificate = "x", certificate_path = "y" } },
    { "text and path of the key", "fields 'key' and 'key_path': give one or the other",
      { certificate = "x", key = "x", key_path = "y" } },
    { "an empty path", "bad field 'certificate_path' (not a path)", { certificate_path = "" } },
    { "the content for its path", "bad field 'key_path' (not a path; is it the content?)",
      { certificate = "x", key_path = "-----BEGIN PRIVATE KEY-----\n" .. canary } },
    { "a zero byte in a path", "bad field 'key_path' (not a path; is it the content?)",
      { certificate = "x", key_path = "x\0y" } },
    { "a path without end", "bad field 'key_path' (not a path)", { certificate = "x", key_path = ("x"):rep(4096) } },
    { "a zero byte in the password", "bad field 'password' (at most 1024 bytes without a NUL expected)",
      { certificate = "x", password = "a\0b" } },
    { "a password without end", "bad field 'password' (at most 1024 bytes without a NUL expected)",
      { certificate = "x", password = ("x"):rep(1025) } },
  }
  for _, case in ipairs(cases) do
    it(case[1], function ()
      assert.equal(case[2], kit.raised(function () signing.load(case[3]) end))
    end)
  end

  it("and does not change the table", function ()
    local t = { certificate_path = at "all.pem", password = "x" }
    loaded(t):close()
    assert.same({ certificate_path = at "all.pem", password = "x" }, t)
  end)
end)

describe("key:sign", function ()
  local key
  setup(function () key = loaded { certificate_path = at "all.pem" } end)
  teardown(function () key:close() end)

  local data = { ["a token's bytes"] = "eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJ4In0", ["no byte"] = "",
                 ["every byte"] = string.char(0, 1, 10, 13, 127, 128, 255), ["a megabyte"] = ("x"):rep(1 << 20) }
  for name, bytes in pairs(data) do
    it("makes PS256 signatures that openssl verifies: " .. name, function ()
      assert.truthy(verified(bytes, key:sign("PS256", bytes), pss))
    end)

    it("makes RS256 signatures that openssl verifies: " .. name, function ()
      assert.truthy(verified(bytes, key:sign("RS256", bytes), ""))
    end)
  end

  it("makes signatures that do not fit other bytes, and are not each other's", function ()
    for algorithm, options in pairs { PS256 = pss, RS256 = "" } do
      local signature = key:sign(algorithm, "bytes")
      assert.equal(256, #signature)
      assert.falsy(verified("bytez", signature, options))
      local changed = signature:sub(1, 99) .. string.char(signature:byte(100) ~ 1) .. signature:sub(101)
      assert.falsy(verified("bytes", changed, options))
    end
    assert.falsy(verified("bytes", key:sign("PS256", "bytes"), ""))
    assert.falsy(verified("bytes", key:sign("RS256", "bytes"), pss))
  end)

  it("salts PS256, and not RS256", function ()
    assert.not_equal(key:sign("PS256", "x"), key:sign("PS256", "x"))
    assert.equal(key:sign("RS256", "x"), key:sign("RS256", "x"))
  end)

  it("raises for another algorithm, and for what is no string", function ()
    assert.equal("bad argument #1 to 'sign' (invalid option 'HS256')",
                 kit.raised(function () key:sign("HS256", "x") end))
    assert.equal("bad argument #2 to 'sign' (string expected, got no value)",
                 kit.raised(function () key:sign "PS256" end))
  end)
end)

describe("the certificate of a key", function ()
  local key
  setup(function () key = loaded { certificate_path = at "all.pem" } end)
  teardown(function () key:close() end)

  local function hex(bytes)
    return (bytes:gsub(".", function (c) return ("%02X"):format(c:byte()) end))
  end

  for name, option in pairs { ["SHA-256"] = "-sha256", ["SHA-1"] = "-sha1" } do
    it("has the thumbprint that openssl gives, by " .. name, function ()
      local out = must("openssl x509 -in leaf.crt -noout -fingerprint " .. option)
      assert.equal(out:match "=(%S+)":gsub(":", ""), hex(key:thumbprint(name)))
    end)
  end

  it("raises for another digest", function ()
    assert.equal("bad argument #1 to 'thumbprint' (invalid option 'MD5')",
                 kit.raised(function () key:thumbprint "MD5" end))
  end)

  local function base64(file)
    return (must("openssl x509 -in " .. file .. " -outform DER | openssl base64 -A"))
  end

  it("comes first in chain, its issuer behind it", function ()
    assert.same({ base64 "leaf.crt", base64 "root.crt" }, key:chain())
    local other <close> = loaded { certificate_path = at "strong.p12", password = password }
    assert.same(key:chain(), other:chain())
  end)

  it("can be loaded without its key, for a host that signs itself", function ()
    local public <close> = assert(signing.load_public { certificate_path = at "leaf.crt" })
    assert.equal(key:thumbprint "SHA-256", public:thumbprint "SHA-256")
    local signature, message = public:sign("PS256", "x")
    assert.is_nil(signature)
    assert.equal("OpenSSL: it was loaded without its private key", message)
    assert.equal("bad field 'key_path' (no key is needed; leave it out)",
                 kit.raised(function () signing.load_public { certificate_path = "c", key_path = "k" } end))
  end)

  it("comes first in chain and gives the thumbprint wherever it stands in the file", function ()
    local other <close> = loaded { certificate_path = at "backwards.pem" }
    assert.same(key:chain(), other:chain())
    assert.equal(key:thumbprint "SHA-256", other:thumbprint "SHA-256")
    local third <close> = loaded {
      certificate = read "ec.crt" .. read "root.crt" .. read "leaf.crt" .. read "short.crt", key = read "leaf.key",
    }
    assert.same({ base64 "leaf.crt", base64 "root.crt" }, third:chain())
  end)

  it("is followed by each issuer of the one before, in whatever order they stand in the file", function ()
    must [[
      printf '[ca]\nbasicConstraints=CA:TRUE\n' > ca.ext
      last=root
      for name in upper lower end; do
        openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.key 2>/dev/null ||
          openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.key 2>/dev/null || exit 1
        openssl req -new -config conf -key $name.key -subj /CN=$name -out $name.csr || exit 1
        openssl x509 -req -in $name.csr -CA $last.crt -CAkey $last.key -set_serial 3 -days 9 -extfile ca.ext \
          -extensions ca -out $name.crt || exit 1
        last=$name
      done]]
    local right = { base64 "end.crt", base64 "lower.crt", base64 "upper.crt", base64 "root.crt" }
    for _, order in ipairs { { "end", "lower", "upper", "root" }, { "root", "upper", "lower", "end" },
      { "upper", "end", "root", "ec", "lower" } } do
      local text = read "end.key"
      for _, name in ipairs(order) do text = text .. read(name .. ".crt") end
      local one <close> = loaded { certificate = text }
      assert.same(right, one:chain())
    end
    must("cat upper.crt root.crt lower.crt > more.pem; openssl pkcs12 -export -in end.crt -inkey end.key "
      .. "-certfile more.pem -passout pass:x -out long.p12")
    local two <close> = loaded { certificate_path = at "long.p12", password = "x" }
    assert.same(right, two:chain())
  end)

  it("has the times that openssl gives", function ()
    local out = must [[for w in startdate enddate; do
      date -u -d "$(openssl x509 -in leaf.crt -noout -$w | sed 's/.*=//')" +%s; done]]
    assert.equal(out, ("%d\n%d\n"):format(key:not_before(), key:expires_on()))
    assert.equal("integer", math.type(key:expires_on()))
  end)
end)

describe("a key", function ()
  it("shows its type and whether it is open, and nothing else", function ()
    local key = loaded { certificate_path = at "all.pem" }
    assert.equal("azpec.signing.key (open)", tostring(key))
    key:close()
    assert.equal("azpec.signing.key (closed)", tostring(key))
  end)

  it("is closed by close, twice as well, and then raises", function ()
    local key = loaded { certificate_path = at "all.pem" }
    key:close()
    key:close()
    for _, method in ipairs { "sign", "thumbprint", "chain", "expires_on", "not_before" } do
      assert.equal("attempt to use a closed key", kit.raised(key[method], key, "PS256", "x"))
    end
  end)

  it("is closed by <close> and by the collector", function ()
    local outer
    do
      local key <close> = loaded { certificate_path = at "all.pem" }
      outer = key
    end
    assert.equal("azpec.signing.key (closed)", tostring(outer))
    for _ = 1, 20 do loaded { certificate_path = at "all.pem" } end
    collectgarbage()
  end)

  it("refuses to be another object", function ()
    local key <close> = loaded { certificate_path = at "all.pem" }
    assert.truthy(kit.raised(key.sign, io.stdout, "PS256", "x"):find("azpec.signing.key expected", 1, true))
    assert.truthy(kit.raised(key.close, {}):find("azpec.signing.key expected", 1, true))
  end)
end)

describe("secrets", function ()
  it("are in no message: neither the password nor a piece of the key", function ()
    local piece = read("leaf8.key"):match "\n(%S+)\n"
    local function clean(text)
      text = tostring(text)
      assert.falsy(text:find(canary, 1, true))
      assert.falsy(text:find(piece, 1, true))
      return text
    end
    local key, pem = read "leaf8.key", read "leaf.crt"
    clean(select(2, signing.load { certificate = pem, key = key, password = canary }))
    clean(select(2, signing.load { certificate = key, password = canary }))
    clean(select(2, signing.load { certificate = pem, key = canary, password = canary }))
    clean(select(2, pcall(signing.load, { certificate = pem, key_path = key, password = canary })))
    clean(select(2, pcall(signing.load, { certificate = pem, key = key, password = canary .. "\0" })))
    clean(select(2, pcall(signing.load, { certificate = pem, key = key, [canary .. "\0"] = {}, password = 7 }))
          :gsub("unknown field.*", ""))
  end)

  -- What is searched for is only there backwards in the searching program.
  it("are not left in memory once a file was read", function ()
    if os.getenv "TEST_UNDER" ~= "nothing" then return pending "not under a memory checker" end
    local line = read("leaf.key"):match "\n%S+\n%S+\n(%S+)\n"
    local secret = read("leaf.der"):sub(-300, -250)
    local function backwards(s)
      return (s:reverse():gsub(".", function (c) return ("\\x%02x"):format(c:byte()) end))
    end
    local code = [[
      local needles = { "%s", "%s" }
      local found = 0
      local function search()
        local mem <close> = assert(io.open("/proc/self/mem", "rb"))
        mem:setvbuf "no"
        local areas = {}
        for area in io.lines "/proc/self/maps" do
          local from, to = area:match "^(%%x+)%%-(%%x+) rw"
          if from and not area:find "%%[v" then areas[#areas + 1] = { tonumber(from, 16), tonumber(to, 16) } end
        end
        for _, a in ipairs(areas) do
          mem:seek("set", a[1])
          local bytes = mem:read(a[2] - a[1])
          bytes = bytes and bytes:reverse() or ""
          for _, n in ipairs(needles) do
            if bytes:find(n, 1, true) then found = found + 1 end
          end
        end
      end
      %s
      search()
      print(found)
    ]]
    local load = [[local key = assert(require "azpec_signing".load { certificate_path = "%s", key_path = "%s" })
      assert(key:sign("PS256", "x"))]]
    local function found(what)
      return tonumber(kit.child(code:format(backwards(line), backwards(secret), what)))
    end
    assert.equal(0, found(load:format(at "leaf.crt", at "leaf.key")))
    assert.equal(0, found(load:format(at "leaf.crt", at "leaf.der")))
    assert.equal(0, found(load:format(at "leaf.crt", at "leaf.key") .. " key:close()"))
    -- That it can find something:
    assert.truthy(found(("local t = io.open('%s'):read 'a'"):format(at "leaf.key")) > 0)
  end)
end)

describe("hmac", function ()
  -- RFC 4231, section 4, as far as the keys are no empty ones.
  local cases = {
    { ("\x0b"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { ("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
  }

  it("is HMAC-SHA256, and knows itself again", function ()
    for _, case in ipairs(cases) do
      local key, text, mac = table.unpack(case)
      assert.equal(mac, signing.hmac(key, text))
      assert.is_true(signing.is_hmac(key, text, mac))
      for _, wrong in ipairs { "", mac:sub(2), mac .. "0", mac:upper(), "0" .. mac:sub(2), mac:sub(1, -2) .. "x" } do
        assert.is_false(signing.is_hmac(key, text, wrong))
      end
      assert.is_false(signing.is_hmac(key, text .. "\0", mac))
    end
  end)

  it("wants a key", function ()
    assert.has_error(function () signing.hmac("", "text") end, "bad argument #1 to 'hmac' (empty)")
  end)
end)

describe("fingerprints", function ()
  local function hex(bytes)
    return (bytes:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
  end

  for _, name in ipairs { "leaf", "root", "ec", "expired" } do
    it("are those that openssl finds of a certificate and of its public key: " .. name, function ()
      local wanted = must("openssl x509 -in $1 -outform DER | openssl dgst -sha1 -r | cut -c 1-40; openssl x509 -in $1 "
        .. "-noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -c 1-64", name .. ".crt")
      assert.equal((wanted:gsub("%s", "")), hex(signing.fingerprints(read(name .. ".crt"))))
    end)
  end

  it("are those of the first certificate of several", function ()
    assert.equal(signing.fingerprints(read "leaf.crt"), signing.fingerprints(read "leaf.crt" .. read "root.crt"))
  end)

  it("of what is no certificate are nil, with OpenSSL's reason", function ()
    for _, text in ipairs { "", "x", read "leaf.key", (read "leaf.crt"):sub(1, 300) } do
      local none, reason = signing.fingerprints(text)
      assert.is_nil(none)
      assert.truthy(reason:find "^OpenSSL: ")
      assert.is_nil(reason:find("PRIVATE", 1, true))
    end
  end)

  it("of an encrypted certificate are nil, and nobody is asked for a password", function ()
    local header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC," .. ("0"):rep(32) .. "\n\n"
    write("sealed.crt", (read "leaf.crt":gsub("^[^\n]*\n", "%0" .. header)))
    assert.matches("^OpenSSL: ", kit.child(([[
      local file <close> = io.open "%s"
      print(select(2, require "azpec_signing".fingerprints(file:read "a")))
    ]]):format(at "sealed.crt")))
  end)
end)

describe("require 'azpec_signing'", function ()
  it("sets no global and gives load, its own version and OpenSSL's", function ()
    assert.equal("none", kit.child [[
      local before = {}
      for k in pairs(_G) do before[k] = true end
      require "azpec_signing"
      local new = {}
      for k in pairs(_G) do if not before[k] then new[#new + 1] = k end end
      print(#new == 0 and "none" or table.concat(new, " "))
    ]])
    assert.equal((require "azpec"._VERSION:gsub("azpec", "azpec_signing")), signing._VERSION)
    assert.truthy(signing.openssl:find "^OpenSSL 3%.")
    local names = {}
    for k in pairs(signing) do names[#names + 1] = k end
    table.sort(names)
    assert.equal("_VERSION fingerprints hmac is_hmac load load_public openssl", table.concat(names, " "))
  end)

  it("is not done by azpec", function ()
    assert.equal("nil", kit.child [[
      require "azpec".client({}):close()
      print(package.loaded.azpec_signing)
    ]])
  end)
end)
