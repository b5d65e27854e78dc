/* lidentity.c -- the token's claims, and the links' outcomes, as tables. */
#include "lidentity.h"

#include <lauxlib.h>

#include "core/flow.h"
#include "fields.h"
#include "json.h"
#include "sys.h"

/* The claims that say who signed in, for what and how long ("Access token
   claims reference", Microsoft identity platform); no others are shown. */
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

/* Copies a claim from the table at from to the one at the top: a text, or a
   time in whole seconds.  [-0, +0] */
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
static void push_claims(lua_State *L, int idx, struct lclient *c) {
	struct facts facts;
	int claims;
	lua_createtable(L, 0, sizeof shown / sizeof *shown);
	claims = lua_gettop(L);
	if (!signin_claims(&c->core.signin, &c->id))
		return;
	lua_getiuservalue(L, idx, CUV_CODEC);
	json_decode(L, claims + 1, buf_span(&c->id), &facts);
	lua_pushvalue(L, claims);
	if (facts.json)
		for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
			set_claim(L, claims + 2, shown[i]);
	lua_settop(L, claims);
}

/* A ready token says only in its own claims when it ends, if at all.  claims
   is at the top, the identity beneath it.  [-0, +0] */
static void set_expiry(lua_State *L, const struct signin *s) {
	struct now now = sys_now();
	if (s->links[s->source].spec.flow == &flow_token)
		lua_getfield(L, -1, "exp");
	else
		lua_pushinteger(L, (now.wall + s->expires - now.mono) / 1000);
	lua_setfield(L, -3, "expires_on");
}

void lidentity_push(lua_State *L, int idx) {
	struct lclient *c = lclient_at(L, idx);
	const struct signin *s = &c->core.signin;
	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 10, "identity");
	lua_createtable(L, 0, 3);
	fields_string(L, "credential", s->links[s->source].spec.flow->name);
	push_claims(L, idx, c);
	set_expiry(L, s);
	lua_setfield(L, -2, "claims");
}

static void push_link(lua_State *L, const struct signin *s,
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
		fields_seconds(L, "elapsed", sys_now().mono - s->began);
	else if (l->outcome != LINK_UNTRIED)
		fields_seconds(L, "elapsed", l->took);
	fields_span(L, "message", buf_span(&l->why));
}

void lidentity_push_links(lua_State *L, int idx) {
	const struct signin *s = &lclient_at(L, idx)->core.signin;
	lua_createtable(L, (int)s->count, 0);
	for (size_t i = 0; i < s->count; i++) {
		push_link(L, s, &s->links[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}
