/* client.c -- azpec.client and its methods. */
#include "lua/client.h"

#include <lauxlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "azpec.h"
#include "core/token/cache.h"
#include "core/token/flow.h"
#include "lua/calls.h"
#include "lua/fields.h"
#include "lua/json.h"
#include "lua/completions.h"
#include "lua/credential.h"
#include "lua/identity.h"
#include "lua/sleep.h"
#include "lua/poller.h"
#include "lua/random.h"
#include "lua/signer.h"
#include "lua/wakeup.h"
#include "lua/session.h"

enum {
	MAX_FLYING = 64,              /* requests in flight at once */
	MAX_REPLY = 16 * 1024 * 1024, /* Resource Manager's own limit is 8 MB */
	CHAIN_TRIES = 3,              /* at most: a wrong secret does not become
	                                 right */
	TRY_TIMEOUT = 100000,         /* ms; Resource Manager answers within 60
	                                 s */
};

/* ---- opening ------------------------------------------------------------ */

/* Copies s for the life of the client; the table of copies is on the top. */
static struct span anchor(lua_State *L, struct span s) {
	struct span copy = NO_SPAN;
	if (!s.p)
		return copy;
	lua_pushlstring(L, s.p, s.n);
	copy.p = lua_tolstring(L, -1, &copy.n);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	return copy;
}

static const char *anchor_path(lua_State *L, const char *path) {
	return anchor(L, span_of(path)).p;
}

/* "[application id ]azpec/x.y.z (Lua 5.4; libcurl/x.y.z; Linux)" */
static const char *anchor_user_agent(lua_State *L, struct span application) {
	struct utsname system;
	const char *text;
	lua_pushlstring(L, application.p ? application.p : "", application.n);
	text = lua_pushfstring(
		L, "%s%sazpec/%s (%s; libcurl/%s; %s)", lua_tostring(L, -1),
		application.n > 0 ? " " : "", AZPEC_VERSION, LUA_VERSION,
		curlio_version(),
		uname(&system) == 0 ? system.sysname : "unknown");
	lua_remove(L, -2); /* the application id */
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	return text; /* anchored */
}

/* options at index 1. */
static struct span anchor_retry_codes(lua_State *L) {
	struct span s;
	options_push_retry_codes(L, 1);
	s.p = lua_tolstring(L, -1, &s.n);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	return s;
}

/* Parses the endpoint's origin and the trusted ones; their texts are copied
   first. */
static void set_origins(lua_State *L, struct client *c, const struct url *more,
                        size_t count) {
	struct url *u = c->origins;
	url_parse(c->defaults.endpoint, u);
	for (size_t i = 0; i < count; i++) {
		*++u = more[i];
		u->scheme = anchor(L, more[i].scheme);
		u->host = anchor(L, more[i].host);
		u->path = NO_SPAN;
	}
}

/* Pushes a closed userdata.  [-0, +1] */
static struct client *push_closed(lua_State *L) {
	struct client *c = lua_newuserdatauv(L, sizeof *c, CUV_COUNT);
	memset(c, 0, sizeof *c);
	luaL_setmetatable(L, CLIENT_TYPE);
	c->mem.alloc = lua_getallocf(L, &c->mem.ud);
	c->limit = c->due = NEVER;
	completion_init(&c->completions, c);
	request_init(&c->request, &c->mem);
	buf_init(&c->url, &c->mem, MAX_REPLY);
	buf_init(&c->id, &c->mem, MAX_REPLY);
	buf_init(&c->query, &c->mem, MAX_REPLY);
	return c;
}

/* Copies all strings that C will point to.  The client is on the top. */
static void anchor_options(lua_State *L, struct client *c,
                           const struct client_options *o,
                           const struct url *more, size_t count) {
	lua_newtable(L);
	c->defaults = (struct op_defaults){
		.endpoint = anchor(L, o->endpoint),
		.subscription_id = anchor(L, o->subscription_id),
		.subscription_from = o->subscription_from,
		.api_version = anchor(L, o->api_version),
		.traceparent = anchor(L, o->traceparent),
		.tracestate = anchor(L, o->tracestate),
		.policy = o->policy,
		.timeout = o->timeout,
		.poll_interval = o->poll_interval,
	};
	c->defaults.policy.change_reference =
		anchor(L, o->policy.change_reference);
	c->io_config = (struct curlio_config){
		.ca_file = anchor_path(L, o->ca_file),
		.ca_path = anchor_path(L, o->ca_path),
		.proxy = anchor_path(L, o->proxy),
		.user_agent = anchor_user_agent(L, o->application_id),
		.max_connections = (long)o->max_connections,
		.max_body = MAX_REPLY,
	};
	c->retry_codes = anchor_retry_codes(L);
	set_origins(L, c, more, count);
	lua_setiuservalue(L, -2, CUV_ANCHOR);
}

/* Stores pollers, codec and the host's functions. options at index 1, client on
   the top. */
static void set_user_values(lua_State *L, struct client *c) {
	lua_newtable(L);
	lua_setiuservalue(L, -2, CUV_POLLERS);
	json_push_codec(L);
	lua_setiuservalue(L, -2, CUV_CODEC);
	options_push(L, 1, "wait");
	lua_setiuservalue(L, -2, CUV_WAIT);
	options_push(L, 1, "on_event");
	lua_setiuservalue(L, -2, CUV_EVENT);
	options_push(L, 1, "before_write");
	lua_setiuservalue(L, -2, CUV_WRITE);
	options_push_key(L, 1, "token_key");
	lua_setiuservalue(L, -2, CUV_TOKEN_KEY);
	c->pool = session_push_pool(L);
	lua_setiuservalue(L, -2, CUV_POOL);
}

/* Reads the credentials once, so later changes of the environment have no
   effect. options at index 1, client on the top. */
static void set_signin(lua_State *L, struct client *c,
                       const struct client_options *o) {
	struct chain_spec specs[MAX_LINKS];
	struct chain *s = &c->core.chain;
	int top = lua_gettop(L);
	uint32_t seed;
	size_t count;
	options_push(L, 1, "credential");
	count = credential_push(L, top + 1, specs);
	random_bytes(L, &seed, sizeof seed);
	if (!chain_init(s, &c->mem, specs, count, o->authority_host, o->scope,
	                seed)) {
		chain_free(s);
		luaL_error(L, "not enough memory");
	}
	if (!chain_name_subscription(s, c->defaults.subscription_id))
		luaL_error(L, "not enough memory");
	lua_setiuservalue(L, top, CUV_LINKS);
	if (o->discover &&
	    !chain_find(s, &flow_discovery, c->defaults.endpoint))
		luaL_error(L, "not enough memory");
	if (o->shares_tokens)
		chain_share(s, &flow_cache);
	s->retry = o->retry;
	if (s->retry.max_tries > CHAIN_TRIES)
		s->retry.max_tries = CHAIN_TRIES;
	lua_settop(L, top);
}

/* With token_key every continuation token is signed, also those in errors, so a
   missing azpec_signing is reported now.  The client is on the top. */
static void check_signing(lua_State *L, struct client *c) {
	int top = lua_gettop(L);
	if (lua_getiuservalue(L, top, CUV_TOKEN_KEY) != LUA_TNIL &&
	    !signer_push(L, c))
		options_bad(L, "token_key", lua_tostring(L, -1));
	lua_settop(L, top);
}

/* Makes a client from the options at index 1.  [-0, +1] */
static void push_client(lua_State *L) {
	struct client_options o = { .timeout = 0 };
	struct url more[MAX_ORIGINS - 1];
	struct op_config cfg = { .try_timeout = TRY_TIMEOUT };
	struct client *c;
	size_t count;
	options_client(L, 1, &o);
	count = options_origins(L, 1, more, MAX_ORIGINS - 1);
	c = push_closed(L);
	anchor_options(L, c, &o, more, count);
	set_user_values(L, c);
	cfg.mem = &c->mem;
	cfg.origins = c->origins;
	cfg.origin_count = 1 + count;
	cfg.retry = o.retry;
	cfg.retry.codes = c->retry_codes;
	scheduler_init(&c->core, &cfg, MAX_FLYING);
	session_open_io(L, c);
	c->open = true; /* from here on __gc has something to close */
	set_signin(L, c, &o);
	check_signing(L, c);
}

int l_client(lua_State *L) {
	lua_settop(L, 1);
	if (lua_isnil(L, 1)) {
		lua_newtable(L);
		lua_replace(L, 1);
	}
	options_check(L, 1, FOR_CLIENT);
	push_client(L);
	return 1;
}

int l_update(lua_State *L) {
	lua_settop(L, 1);
	options_check(L, 1, FOR_CLIENT | calls_update_fields());
	push_client(L);
	return calls_update(L);
}

/* ---- a guest in an event loop ------------------------------------------- */

static int l_step(lua_State *L) {
	lua_settop(L, 1);
	loop_step(L, 1);
	return 0;
}

static int l_pollfd(lua_State *L) {
	lua_pushinteger(L, pollset_fd(session_check_open(L, 1)->ps));
	return 1;
}

static int l_events(lua_State *L) {
	session_check_open(L, 1);
	lua_pushliteral(L, "r");
	return 1;
}

/* The descriptor has its own timer, so the host needs none. */
static int l_timeout(lua_State *L) {
	session_check_open(L, 1);
	lua_pushnil(L);
	return 1;
}

/* The rest of each rate limit as the service last reported it. */
static int l_rate_limits(lua_State *L) {
	const struct client *c = session_check_open(L, 1);
	lua_newtable(L);
	for (int i = 0; i < RATE_COUNT; i++) {
		if (c->core.rate.remaining[i] < 0)
			continue;
		lua_pushinteger(L, c->core.rate.remaining[i]);
		lua_setfield(L, -2, rate_name(i));
	}
	return 1;
}

/* The settings by options, environment and defaults, and the last sign-in. */
static int l_settings(lua_State *L) {
	const struct client *c = session_check_open(L, 1);
	const char *file, *path;
	lua_createtable(L, 0, 9);
	fields_span(L, "endpoint", c->defaults.endpoint);
	fields_span(L, "subscription_id", c->defaults.subscription_id);
	fields_string(L, "subscription_from", c->defaults.subscription_from);
	fields_span(L, "authority_host", buf_span(&c->core.chain.authority));
	fields_span(L, "scope", buf_span(&c->core.chain.scope));
	fields_span(L, "api_version", c->defaults.api_version);
	fields_integer(L, "process_id", c->pid);
	if (c->core.chain.cache)
		fields_string(L, "token_cache", "keyring");
	curlio_trust(&c->io_config, &file, &path);
	if (file)
		fields_string(L, "ca_file", file);
	if (path)
		fields_string(L, "ca_path", path);
	if (buf_span(&c->core.chain.token).n > 0) {
		identity_push(L, 1);
		lua_setfield(L, -2, "identity");
	}
	return 1;
}

static int l_tostring(lua_State *L) {
	const struct client *c = session_check(L, 1);
	if (c->open)
		lua_pushfstring(L, "azpec.client (%s)", c->defaults.endpoint.p);
	else
		lua_pushliteral(L, "azpec.client (closed)");
	return 1;
}

static int l_explain(lua_State *L) {
	session_check_open(L, 1);
	identity_push_links(L, 1);
	return 1;
}

static int l_close(lua_State *L) {
	session_check(L, 1);
	session_close(L, 1);
	return 0;
}

/* __gc: no call can wait at its descriptor any more. */
static int l_gc(lua_State *L) {
	struct client *c = session_check(L, 1);
	session_close(L, 1);
	wakeup_forget(c);
	wakeup_release(c);
	return 0;
}

static const luaL_Reg methods[] = {
	{ "explain", l_explain },   { "completions", l_completions },
	{ "finished", l_finished }, { "rate_limits", l_rate_limits },
	{ "settings", l_settings }, { "step", l_step },
	{ "wait", l_client_wait },  { "pollfd", l_pollfd },
	{ "events", l_events },     { "timeout", l_timeout },
	{ "close", l_close },       { NULL, NULL },
};

static const luaL_Reg metamethods[] = { { "__gc", l_gc },
	                                { "__close", l_close },
	                                { "__tostring", l_tostring },
	                                { NULL, NULL } };

void client_open(lua_State *L) {
	luaL_newmetatable(L, CLIENT_TYPE);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	calls_set(L);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
