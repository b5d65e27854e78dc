/*
 * token_cache.c -- the name of a record, and its way to the user's keyring and
 * back.
 *
 * The name is HMAC-SHA256 over what core/token/cache.c knows of the credential
 * and over what only this side knows:
 *
 *   - texts of the credential that the core has no use for (a certificate),
 *   - the state of each file that the credential names,
 *   - of az and azd the state of the files that note who is signed in, and the
 *     PATH by which they are found.
 *
 * A file's state is its inode, size and times: another certificate, a rotated
 * token or a new `az login` makes another name.  No file is read for it.
 *
 * The cache is a convenience.  Where it cannot be used, on_event gets one
 * event with the reason, and the client continues without it.
 */
#include "lua/token_cache.h"

#include <lauxlib.h>
#include <string.h>

#include "core/token/cache.h"
#include "io/keyring.h"
#include "io/sys.h"
#include "lua/events.h"
#include "lua/session.h"
#include "lua/signer.h"

static const char prefix[] = "azpec:token:", purpose[] = "azpec token cache";

enum { DIGITS = 64 };
_Static_assert(sizeof prefix + DIGITS == CACHE_NAME, "objects.h says so");

/* ---- the name ----------------------------------------------------------- */

static void add_path(struct buf *out, const char *path) {
	cache_add_part(out, span_of(path));
	if (path)
		sys_add_state(path, out);
}

/* The fields of a link's credential are at idx.  Anchored there. */
static void add_fields(lua_State *L, int idx, struct buf *out) {
	static const char *const texts[] = { "certificate", "key" };
	static const char *const paths[] = { "certificate_path", "key_path",
		                             "token_file_path" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		cache_add_part(out, options_string(L, idx, texts[i]));
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		add_path(out, options_string(L, idx, paths[i]).p);
}

/* A link whose folder nobody knows shares no token: see credential.c. */
static void add_profile(lua_State *L, const struct profile *p,
                        struct buf *out) {
	if (p)
		cache_add_part(out, span_of(options_env("PATH")));
	for (; p && p->variable; p++) {
		const char *folder = options_env(p->variable);
		const char *home = options_env("HOME");
		if (folder)
			lua_pushfstring(L, "%s/%s", folder, p->file);
		else
			lua_pushfstring(L, "%s/%s/%s", home ? home : "",
			                p->folder, p->file);
		add_path(out, lua_tostring(L, -1));
		lua_pop(L, 1);
	}
}

static void add_links(lua_State *L, int idx, struct client *c,
                      struct buf *out) {
	const struct chain *s = &c->core.chain;
	int top = lua_gettop(L);
	lua_getiuservalue(L, idx, CUV_LINKS);
	for (size_t i = 0; i < s->count; i++) {
		lua_rawgeti(L, top + 1, (lua_Integer)i + 1);
		add_fields(L, top + 2, out);
		add_profile(L, s->links[i].spec.flow->profile, out);
		lua_settop(L, top + 1);
	}
	lua_settop(L, top);
}

/* The HMAC of the text in c->id; false: why not.  [-0, +1] */
static bool push_digest(lua_State *L, struct client *c) {
	if (c->id.failed) {
		lua_pushliteral(L, "not enough memory");
		return false;
	}
	if (!signer_push(L, c))
		return false;
	lua_getfield(L, -1, "hmac");
	lua_replace(L, -2);
	lua_pushstring(L, purpose);
	lua_pushlstring(L, c->id.p, c->id.n);
	return session_pcall(L, c, 2, 1);
}

/* Finds c->cache.name out; false: why not is at the top.  [-0, +(0|1)] */
static bool name_record(lua_State *L, int idx, struct client *c) {
	struct span digest = NO_SPAN;
	bool ok;
	buf_clear(&c->id);
	c->id.secret = true;
	cache_add_identity(&c->core.chain, &c->id);
	add_links(L, idx, c, &c->id);
	ok = push_digest(L, c);
	buf_clear(&c->id);
	if (!ok)
		return false;
	digest.p = lua_tolstring(L, -1, &digest.n);
	memcpy(c->cache.name, prefix, sizeof prefix - 1);
	if (digest.n == DIGITS)
		memcpy(c->cache.name + sizeof prefix - 1, digest.p, DIGITS);
	lua_pop(L, 1);
	return true;
}

/* ---- the keyring -------------------------------------------------------- */

/* It is not tried again. */
static void refuse(lua_State *L, int idx, struct client *c, const char *why) {
	c->cache.refused = true;
	event_cache(L, idx, "refused", why);
}

void token_cache_look(lua_State *L, int idx) {
	struct client *c = client_at(L, idx);
	uint32_t before = c->core.chain.generation;
	const char *why = NULL;
	int top = lua_gettop(L);
	luaL_checkstack(L, 10, "token_cache");
	c->cache.found = 0;
	buf_clear(&c->id);
	if (!c->cache.refused && !name_record(L, idx, c)) {
		if (session_interrupted(L)) /* it is looked for anew */
			lua_error(L);
		why = session_text(L, c).p;
	} else if (!c->cache.refused) {
		why = keyring_read(c->cache.name, &c->id, &c->cache.found);
	}
	chain_provided(&c->core.chain, buf_span(&c->id), sys_now());
	buf_clear(&c->id);
	if (why)
		refuse(L, idx, c, why);
	else if (c->core.chain.generation != before)
		event_cache(L, idx, "found", NULL);
	lua_settop(L, top);
	token_cache_settle(L, idx);
}

/* Stores the record in c->id, or removes the one that was found. */
static void carry_out(lua_State *L, int idx, struct client *c,
                      enum cache_duty duty, int64_t life) {
	bool stores = duty == CACHE_STORE;
	const char *why =
		stores ? keyring_store(c->cache.name, buf_span(&c->id), life)
		       : keyring_remove(c->cache.found);
	if (why)
		refuse(L, idx, c, why);
	else
		event_cache(L, idx, stores ? "stored" : "removed", NULL);
}

void token_cache_settle(lua_State *L, int idx) {
	struct client *c = client_at(L, idx);
	enum cache_duty duty;
	int64_t life;
	if (c->core.chain.duty == CACHE_NOTHING)
		return;
	c->id.secret = true;
	duty = cache_duty(&c->core.chain, sys_now(), &c->id, &life);
	if (duty != CACHE_NOTHING && !c->cache.refused && !c->id.failed)
		carry_out(L, idx, c, duty, life);
	buf_clear(&c->id);
}
