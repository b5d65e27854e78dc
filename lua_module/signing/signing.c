/*
 * signing.c -- the Lua module azpec_signing: loads a certificate with its key,
 * and signs with it.  It is a separate module, so that only programs that sign
 * in with a certificate load OpenSSL.
 */
#include <lauxlib.h>
#include <string.h>

#include "azpec.h"
#include "signing/key.h"

#if LUA_VERSION_NUM != 504
#error "azpec_signing is made for Lua 5.4"
#endif

#define KEY_TYPE "azpec.signing.key"

enum { MAX_PATH = 4095 };

/* ---- load --------------------------------------------------------------- */

/* The options of load; the values are on its stack in this order. */
enum { OPTIONS = 1, CERTIFICATE, CERTIFICATE_PATH, KEY, KEY_PATH, PASSWORD };

static const char *const fields[] = {
	[CERTIFICATE] = "certificate",
	[CERTIFICATE_PATH] = "certificate_path",
	[KEY] = "key",
	[KEY_PATH] = "key_path",
	[PASSWORD] = "password",
};

static int bad(lua_State *L, int field, const char *why) {
	return luaL_error(L, "bad field '%s' (%s)", fields[field], why);
}

static bool is_field(const char *name) {
	for (int i = CERTIFICATE; i <= PASSWORD; i++)
		if (strcmp(fields[i], name) == 0)
			return true;
	return false;
}

static void refuse_unknown(lua_State *L) {
	lua_pushnil(L);
	while (lua_next(L, OPTIONS)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "unknown field (a %s) among the options",
			           luaL_typename(L, -2));
		if (!is_field(lua_tostring(L, -2)))
			luaL_error(L, "unknown field '%s'",
			           lua_tostring(L, -2));
		lua_pop(L, 1);
	}
}

/* [-0, +5] */
static void push_fields(lua_State *L) {
	for (int i = CERTIFICATE; i <= PASSWORD; i++) {
		lua_pushstring(L, fields[i]);
		if (lua_rawget(L, OPTIONS) != LUA_TSTRING && !lua_isnil(L, -1))
			luaL_error(L,
			           "bad field '%s' (string expected, got %s)",
			           fields[i], luaL_typename(L, -1));
	}
}

/* The value at index i, valid while it is on the stack; absent if nil. */
static struct span field(lua_State *L, int i) {
	struct span s = NO_SPAN;
	s.p = lua_tolstring(L, i, &s.n);
	return s;
}

/* Rejects what looks like a key's content: a path is shown in messages. */
static const char *path(lua_State *L, int i) {
	struct span s = field(L, i);
	if (!s.p)
		return NULL;
	if (s.n == 0 || s.n > MAX_PATH)
		bad(L, i, "not a path");
	for (size_t j = 0; j < s.n; j++)
		if ((unsigned char)s.p[j] < ' ' || s.p[j] == 0x7f)
			bad(L, i, "not a path; is it the content?");
	return s.p;
}

static const char *password(lua_State *L) {
	struct span s = field(L, PASSWORD);
	if (s.n > BUNDLE_MAX_PASSWORD || (s.p && strlen(s.p) != s.n))
		bad(L, PASSWORD, "at most 1024 bytes without a NUL expected");
	return s.p ? s.p : "";
}

/* A part is given by text or by path, not by both. which: the field of the
   text. */
static struct key_part part(lua_State *L, int which) {
	struct key_part p = { .text = field(L, which),
		              .path = path(L, which + 1) };
	if (p.text.p && p.path)
		luaL_error(L, "fields '%s' and '%s': give one or the other",
		           fields[which], fields[which + 1]);
	if (p.text.p)
		p.field = fields[which];
	else if (p.path)
		p.field = fields[which + 1];
	return p;
}

/* Pushes a closed userdata.  [-0, +1] */
static struct key *push_closed(lua_State *L) {
	struct mem mem;
	struct key *k;
	mem.alloc = lua_getallocf(L, &mem.ud);
	k = lua_newuserdatauv(L, sizeof *k, 0);
	key_init(k, mem);
	luaL_setmetatable(L, KEY_TYPE);
	return k;
}

static int load(lua_State *L, bool public_only) {
	struct key_spec spec = { .public_only = public_only };
	struct key *k;
	luaL_checktype(L, OPTIONS, LUA_TTABLE);
	lua_settop(L, OPTIONS);
	refuse_unknown(L);
	push_fields(L);
	spec.certificate = part(L, CERTIFICATE);
	spec.key = part(L, KEY);
	spec.password = password(L);
	if (!spec.certificate.field)
		bad(L, CERTIFICATE, "this or 'certificate_path' expected");
	if (public_only && spec.key.field)
		luaL_error(L, "bad field '%s' (no key is needed; leave it out)",
		           spec.key.field);
	k = push_closed(L);
	switch (key_load(k, &spec)) {
	case KEY_OK:
		return 1;
	case KEY_NO_MEMORY:
		break;
	case KEY_REFUSED:
		lua_pushnil(L);
		lua_pushlstring(L, k->why.p, k->why.n);
		key_close(k);
		return 2;
	}
	key_close(k);
	return luaL_error(L, "not enough memory");
}

static int l_load(lua_State *L) {
	return load(L, false);
}

/* Loads the certificate only; another program has the key and signs. */
static int l_load_public(lua_State *L) {
	return load(L, true);
}

/* ---- methods ------------------------------------------------------------ */

static struct key *open_key(lua_State *L) {
	struct key *k = luaL_checkudata(L, 1, KEY_TYPE);
	if (!key_is_open(k))
		luaL_error(L, "attempt to use a closed key");
	return k;
}

/* Pushes the bytes, or nil and the reason. */
static int answer(lua_State *L, const char *why, const char *p, size_t n) {
	if (!why) {
		lua_pushlstring(L, p, n);
		return 1;
	}
	lua_pushnil(L);
	lua_pushfstring(L, "OpenSSL: %s", why);
	return 2;
}

static int l_sign(lua_State *L) {
	static const char *const names[] = {
		[KEY_PS256] = "PS256", [KEY_RS256] = "RS256", NULL
	};
	char out[KEY_MAX_SIGNATURE];
	const struct key *k = open_key(L);
	int a = luaL_checkoption(L, 2, NULL, names);
	struct span data;
	const char *why;
	size_t n;
	data.p = luaL_checklstring(L, 3, &data.n);
	why = key_sign(k, (enum key_algorithm)a, data, out, &n);
	return answer(L, why, out, n);
}

static int l_thumbprint(lua_State *L) {
	static const char *const names[] = {
		[KEY_SHA256] = "SHA-256", [KEY_SHA1] = "SHA-1", NULL
	};
	char out[KEY_MAX_DIGEST];
	const struct key *k = open_key(L);
	int d = luaL_checkoption(L, 2, NULL, names);
	size_t n;
	const char *why = key_thumbprint(k, (enum key_digest)d, out, &n);
	return answer(L, why, out, n);
}

static int l_chain(lua_State *L) {
	const struct key *k = open_key(L);
	lua_createtable(L, (int)k->chain_count, 0);
	for (size_t i = 0; i < k->chain_count; i++) {
		struct span der = key_certificate(k, i);
		size_t n = key_base64_size(der.n);
		luaL_Buffer b;
		key_base64(der, luaL_buffinitsize(L, &b, n + 1));
		luaL_pushresultsize(&b, n);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static int l_expires_on(lua_State *L) {
	lua_pushinteger(L, open_key(L)->expires_on);
	return 1;
}

static int l_not_before(lua_State *L) {
	lua_pushinteger(L, open_key(L)->not_before);
	return 1;
}

/* close, __close and __gc */
static int l_close(lua_State *L) {
	key_close(luaL_checkudata(L, 1, KEY_TYPE));
	return 0;
}

static int l_tostring(lua_State *L) {
	const struct key *k = luaL_checkudata(L, 1, KEY_TYPE);
	lua_pushstring(L, key_is_open(k) ? KEY_TYPE " (open)"
	                                 : KEY_TYPE " (closed)");
	return 1;
}

/* ---- the module --------------------------------------------------------- */

static const luaL_Reg methods[] = {
	{ "sign", l_sign },
	{ "thumbprint", l_thumbprint },
	{ "chain", l_chain },
	{ "expires_on", l_expires_on },
	{ "not_before", l_not_before },
	{ "close", l_close },
	{ NULL, NULL },
};

static const luaL_Reg metamethods[] = { { "__gc", l_close },
	                                { "__close", l_close },
	                                { "__tostring", l_tostring },
	                                { "__index", NULL },
	                                { NULL, NULL } };

/* fingerprints(pem) -> SHA-1 and the public key's SHA-256, as bytes */
static int l_fingerprints(lua_State *L) {
	char out[KEY_FINGERPRINTS];
	struct span pem;
	pem.p = luaL_checklstring(L, 1, &pem.n);
	luaL_argcheck(L, pem.n <= BUNDLE_MAX_BYTES, 1, "too long");
	return answer(L, key_fingerprints(pem, out), out, sizeof out);
}

static struct span check_span(lua_State *L, int i) {
	struct span s;
	s.p = luaL_checklstring(L, i, &s.n);
	return s;
}

/* Computes the HMAC of the key and text at 1 and 2; raises OpenSSL's errors. */
static void hmac(lua_State *L, char out[KEY_HMAC]) {
	struct span secret = check_span(L, 1), text = check_span(L, 2);
	const char *why;
	luaL_argcheck(L, secret.n > 0, 1, "empty");
	why = key_hmac(secret, text, out);
	if (why)
		luaL_error(L, "OpenSSL: %s", why);
}

/* hmac(key, text) -> HMAC-SHA256 in hexadecimal digits */
static int l_hmac(lua_State *L) {
	char out[KEY_HMAC];
	hmac(L, out);
	lua_pushlstring(L, out, sizeof out);
	return 1;
}

/* is_hmac(key, text, digits) -> true if digits is the HMAC of the text */
static int l_is_hmac(lua_State *L) {
	char out[KEY_HMAC];
	struct span given = check_span(L, 3);
	hmac(L, out);
	lua_pushboolean(L,
	                given.n == sizeof out && key_same_hmac(out, given.p));
	return 1;
}

static const luaL_Reg functions[] = { { "load", l_load },
	                              { "load_public", l_load_public },
	                              { "fingerprints", l_fingerprints },
	                              { "hmac", l_hmac },
	                              { "is_hmac", l_is_hmac },
	                              { NULL, NULL } };

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_azpec_signing(lua_State *L);

int luaopen_azpec_signing(lua_State *L) {
	luaL_checkversion(L);
	luaL_newmetatable(L, KEY_TYPE);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	lua_pushliteral(L, "azpec_signing " AZPEC_VERSION);
	lua_setfield(L, -2, "_VERSION");
	lua_pushstring(L, key_openssl());
	lua_setfield(L, -2, "openssl");
	return 1;
}
