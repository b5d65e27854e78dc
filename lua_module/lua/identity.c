/* identity.c -- the token's claims, and the links' outcomes, as tables. */
#include "lua/identity.h"

#include <lauxlib.h>

#include "core/token/flow.h"
#include "lua/fields.h"
#include "lua/json.h"
#include "io/sys.h"

/* The claims that tell who signed in, for what and for how long ("Access token
   claims reference", Microsoft identity platform).  No others are shown. */
static const char *const shown[] = {
	"aud",         "iss",
	"tid",         "oid",
	"appid",       "azp",
	"upn",         "name",
	"idtyp",       "app_displayname",
	"iat",         "nbf",
	"exp",         "xms_mirid",
	"unique_name", "preferred_username",
};

/* Copies a claim, a string or a time in whole seconds, from the table at `from`
   to the one on the top.  [-0, +0] */
static void set_claim(lua_State *L, int from, const char *name) {
	int type = lua_getfield(L, from, name);
	lua_Number n = lua_tonumber(L, -1);
	if (type == LUA_TNUMBER && n >= 0 && n < 1e15) {
		lua_pushinteger(L, (lua_Integer)n);
		lua_replace(L, -2);
	} else if (type != LUA_TSTRING) {
		lua_pop(L, 1);
		return;
	}
	lua_setfield(L, -2, name);
}

/* [-0, +1] */
static void push_claims(lua_State *L, int idx, struct client *c) {
	struct facts facts;
	int claims;
	lua_createtable(L, 0, sizeof shown / sizeof *shown);
	claims = lua_gettop(L);
	if (!chain_claims(&c->core.chain, &c->id))
		return;
	lua_getiuservalue(L, idx, CUV_CODEC);
	json_decode(L, claims + 1, buf_span(&c->id), &facts);
	lua_pushvalue(L, claims);
	if (facts.json)
		for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
			set_claim(L, claims + 2, shown[i]);
	lua_settop(L, claims);
}

/* Only its own claims tell when a ready token expires. claims is on the top,
   the identity beneath it.  [-0, +0] */
static void set_expiry(lua_State *L, const struct chain *s) {
	struct now now = sys_now();
	if (s->links[s->source].spec.flow == &flow_token)
		lua_getfield(L, -1, "exp");
	else
		lua_pushinteger(L, (now.wall + s->expires - now.mono) / 1000);
	lua_setfield(L, -3, "expires_on");
}

void identity_push(lua_State *L, int idx) {
	struct client *c = client_at(L, idx);
	const struct chain *s = &c->core.chain;
	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 10, "identity");
	lua_createtable(L, 0, 3);
	fields_string(L, "credential", s->links[s->source].spec.flow->name);
	if (s->from_cache)
		fields_boolean(L, "cached", true);
	push_claims(L, idx, c);
	set_expiry(L, s);
	lua_setfield(L, -2, "claims");
}

static void push_link(lua_State *L, const struct chain *s,
                      const struct link *l) {
	static const char *const outcomes[] = {
		[LINK_UNTRIED] = "untried", [LINK_TRYING] = "trying",
		[LINK_TOKEN] = "token",     [LINK_FAILED] = "failed",
		[LINK_ABSENT] = "absent",
	};
	lua_createtable(L, 0, 4);
	fields_string(L, "credential", l->spec.flow->name);
	fields_string(L, "outcome", outcomes[l->outcome]);
	if (l->outcome == LINK_TRYING)
		fields_seconds(L, "elapsed", sys_mono() - s->began);
	else if (l->outcome != LINK_UNTRIED)
		fields_seconds(L, "elapsed", l->took);
	fields_span(L, "message", buf_span(&l->why));
	if (l->outcome == LINK_TOKEN && s->from_cache)
		fields_string(L, "message", "from the token cache");
	fields_span(L, "hint", buf_span(&l->advice));
}

void identity_push_links(lua_State *L, int idx) {
	const struct chain *s = &client_at(L, idx)->core.chain;
	lua_createtable(L, (int)s->count, 0);
	for (size_t i = 0; i < s->count; i++) {
		push_link(L, s, &s->links[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}
