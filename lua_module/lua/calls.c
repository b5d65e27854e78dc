/* calls.c -- the API's calls as methods of a client. */
#include "lua/calls.h"

#include <lauxlib.h>

#include "core/advice.h"
#include "lua/continuation.h"
#include "lua/error.h"
#include "lua/json.h"
#include "lua/list.h"
#include "lua/poller.h"
#include "io/sys.h"
#include "lua/session.h"
#include "lua/subscription.h"
#include "lua/wakeup.h"

/* A query's body, in the client's scratch.  [-0, +0] */
static void write_query(lua_State *L, int client, int opts,
                        struct op_spec *spec) {
	struct client *c = client_at(L, client);
	struct span text;
	lua_getiuservalue(L, client, CUV_CODEC);
	options_push_query(L, opts);
	json_encode(L, lua_gettop(L) - 1);
	text.p = lua_tolstring(L, -1, &text.n);
	buf_set(&c->query, text);
	if (c->query.failed)
		luaL_error(L, "not enough memory");
	lua_pop(L, 2);
	spec->query = buf_span(&c->query);
}

/* options at index opts, checked -> a poller at the top.  [-0, +1] */
static void push_poller(lua_State *L, int client, int opts,
                        const struct call *call) {
	struct client *c = client_at(L, client);
	struct op_spec spec = { .kind = call->kind };
	struct poller *p = poller_new(L, client, call->kind);
	uint32_t build;
	do { /* again, if a finalizer of the host used the scratch */
		build = ++c->builds;
		options_op(L, opts, call, &c->defaults, &spec, &c->url, &c->id);
		if (call->fields & FOR_QUERY)
			write_query(L, client, opts, &spec);
	} while (build != c->builds);
	poller_init(L, p, &spec);
	options_push(L, opts, "wait");
	lua_setiuservalue(L, -2, PUV_WAIT);
}

/* A call without required options may be made without a table. */
static void default_options(lua_State *L, const struct call *call) {
	lua_settop(L, 2);
	static const int none = FOR_IDENTITY | FOR_GROUP | FOR_TENANT;
	if (!lua_isnil(L, 2) || !(call->fields & none))
		return;
	lua_newtable(L);
	lua_replace(L, 2);
}

/* stack: 1 = the client, 2 = the options.  The call is the method's upvalue. */
static const struct call *check_call(lua_State *L) {
	const struct call *call = lua_touserdata(L, lua_upvalueindex(1));
	session_check_open(L, 1);
	default_options(L, call);
	options_check(L, 2, call->fields);
	return call;
}

/* ---- three ways to call ------------------------------------------------- */

static int l_run(lua_State *L);

#define IDENTITY                                                               \
	{ .kind = OP_IDENTITY, .fields = FOR_IDENTITY }

/* client:identity.  [-0, +1] */
static void push_identity(lua_State *L) {
	static const struct call identity = IDENTITY;
	lua_pushlightuserdata(L, (void *)(uintptr_t)&identity);
	lua_pushcclosure(L, l_run, 1);
}

/* Does the call need the subscription that a sign-in may bring? */
static bool lacks_subscription(lua_State *L, const struct call *call) {
	return !(call->fields & (FOR_IDENTITY | FOR_TENANT | FOR_QUERY)) &&
	       subscription_is_wanted(L, 1, 2);
}

/* The sign-in that found the subscription was a part of the call's time. */
static void count_from(lua_State *L, lua_KContext began) {
	int64_t *time = &poller_at(L, -1)->job.op.time;
	int64_t spent = began ? subscription_time_since(began) : 0;
	*time = *time > spent ? *time - spent : 0;
}

/* Waits for the outcome; with a subscription still to be found, for that first:
   the results of identity are 3 and 4 then. */
static int run_on(lua_State *L, int status, lua_KContext began) {
	(void)status;
	if (began && lua_isnil(L, 3))
		return 2;
	lua_settop(L, 2);
	session_check_open(L, 1);
	push_poller(L, 1, 2, lua_touserdata(L, lua_upvalueindex(1)));
	count_from(L, began);
	return poller_call(L, 0);
}

static int l_run(lua_State *L) {
	const struct call *call;
	if (session_check_open(L, 1)->busy)
		luaL_error(L, "a client's callback must not step the client");
	call = check_call(L);
	if (!lacks_subscription(L, call))
		return run_on(L, LUA_OK, 0);
	push_identity(L);
	return subscription_find(L, 1, 2, run_on);
}

/* Returns the poller at once; its outcome can be collected. */
static int l_begin(lua_State *L) {
	const struct call *call = check_call(L);
	if (lacks_subscription(L, call))
		options_bad(L, "subscription_id",
		            "string expected, got nil; neither the client nor "
		            "AZURE_SUBSCRIPTION_ID names one; "
		            "client:identity() finds az's or azd's default");
	push_poller(L, 1, 2, call);
	poller_begin(L, 3);
	completion_offer(poller_at(L, 3));
	return 1;
}

/* Returns an iterator. */
static int iterate_on(lua_State *L, int status, lua_KContext began) {
	(void)status;
	if (began && lua_isnil(L, 3))
		return lua_error(L); /* the err table */
	lua_settop(L, 2);
	session_check_open(L, 1);
	push_poller(L, 1, 2, lua_touserdata(L, lua_upvalueindex(1)));
	count_from(L, began);
	return list_iterate(L);
}

static int l_iterate(lua_State *L) {
	if (!lacks_subscription(L, check_call(L)))
		return iterate_on(L, LUA_OK, 0);
	push_identity(L);
	return subscription_find(L, 1, 2, iterate_on);
}

/* ---- the calls ---------------------------------------------------------- */

#define ONE (FOR_CONNECTION | FOR_CALL)
#define MANY (FOR_LIST | FOR_CALL)
#define NEEDS "the identity needs Microsoft.Batch/batchAccounts/"
#define ON_ACCOUNT "read on the Batch account"

#define UPDATE                                                                 \
	{                                                                      \
		.kind = OP_UPDATE, .fields = ONE | FOR_UPDATE | FOR_MATCH,     \
		.collection = ""                                               \
	}
#define ENSURE                                                                 \
	{                                                                      \
		.kind = OP_ENSURE,                                             \
		.fields = ONE | FOR_UPDATE | FOR_MATCH | FOR_ENSURE,           \
		.collection = ""                                               \
	}
#define DELETE                                                                 \
	{ .kind = OP_DELETE, .fields = ONE | FOR_MATCH, .collection = "" }

static const struct method {
	const char *name;
	lua_CFunction how;
	struct call call;
} methods[] = {
	{ "update", l_run, UPDATE },
	{ "ensure", l_run, ENSURE },
	{ "delete", l_run, DELETE },
	{ "begin_update", l_begin, UPDATE },
	{ "begin_ensure", l_begin, ENSURE },
	{ "begin_delete", l_begin, DELETE },
	{ "get", l_run, { .kind = OP_GET, .fields = ONE, .collection = "" } },
	{ "list",
	  l_iterate,
	  { .kind = OP_LIST,
	    .fields = FOR_ACCOUNT | MANY,
	    .collection = "/privateEndpointConnections" } },
	{ "get_private_link_resource",
	  l_run,
	  { .kind = OP_GET,
	    .fields = FOR_LINK | FOR_CALL,
	    .collection = "",
	    .needs = NEEDS "privateLinkResources/" ON_ACCOUNT WHEN_GRANTED } },
	{ "list_private_link_resources",
	  l_iterate,
	  { .kind = OP_LIST,
	    .fields = FOR_ACCOUNT | MANY,
	    .collection = "/privateLinkResources",
	    .needs = NEEDS "privateLinkResources/" ON_ACCOUNT WHEN_GRANTED } },
	{ "get_account",
	  l_run,
	  { .kind = OP_GET,
	    .fields = FOR_ACCOUNT | FOR_CALL,
	    .collection = "",
	    .needs = NEEDS ON_ACCOUNT WHEN_GRANTED } },
	/* of the resource group; without one, of the subscription */
	{ "list_accounts",
	  l_iterate,
	  { .kind = OP_LIST,
	    .fields = FOR_GROUP | FOR_CALL,
	    .collection = "/providers/Microsoft.Batch/batchAccounts",
	    .needs = NEEDS "read on the subscription or the resource "
	                   "group" WHEN_GRANTED } },
	/* "Permissions - List For Resource", of Microsoft.Authorization */
	{ "list_permissions",
	  l_iterate,
	  { .kind = OP_LIST,
	    .fields = FOR_ACCOUNT | FOR_CALL,
	    .collection = "/providers/Microsoft.Authorization/permissions",
	    .needs = "the identity needs Microsoft.Authorization/permissions/"
	             "read on the Batch account (the role Reader has "
	             "it)" WHEN_GRANTED,
	    .api_version = "2022-04-01" } },
	/* "Subscriptions - List", of Azure Resource Manager */
	{ "list_subscriptions",
	  l_iterate,
	  { .kind = OP_LIST,
	    .fields = FOR_TENANT | FOR_CALL,
	    .collection = "/subscriptions",
	    .needs = "the identity needs Microsoft.Resources/subscriptions/"
	             "read on the subscriptions (the role Reader has "
	             "it)" WHEN_GRANTED,
	    .api_version = "2022-12-01" } },
	/* "Resources - Resources", of Azure Resource Graph */
	{ "query_resource_graph",
	  l_iterate,
	  { .kind = OP_QUERY,
	    .fields = FOR_QUERY | FOR_CALL,
	    .collection = "/providers/Microsoft.ResourceGraph/resources",
	    .needs = "the identity needs a role, as Reader, on the "
	             "subscriptions that Azure Resource Graph is to "
	             "show" WHEN_GRANTED,
	    .api_version = "2022-10-01" } },
	{ "identity", l_run, IDENTITY },
};

/* ---- azpec.update -------------------------------------------------------- */

static const struct call update = UPDATE;

int calls_update_fields(void) {
	return update.fields;
}

/* The client is this call's alone, and is closed at its end. */
static int update_on(lua_State *L, int status, lua_KContext began) {
	(void)status;
	if (began && lua_isnil(L, 3)) {
		session_close(L, 2);
		return 2;
	}
	lua_settop(L, 2);
	push_poller(L, 2, 1, &update);
	count_from(L, began);
	return poller_call(L, 2);
}

int calls_update(lua_State *L) {
	if (!subscription_is_wanted(L, 2, 1))
		return update_on(L, LUA_OK, 0);
	push_identity(L);
	return subscription_find(L, 2, 1, update_on);
}

/* ---- resume ------------------------------------------------------------- */

static int refuse(lua_State *L, const char *why) {
	lua_pushnil(L);
	lua_pushfstring(L, "the continuation token is refused: %s", why);
	error_push_plain(L, FAIL_PROTOCOL, lua_tostring(L, -1));
	lua_remove(L, -2);
	return 2;
}

static int l_resume(lua_State *L) {
	struct client *c = session_check_open(L, 1);
	struct op_spec spec = { .timeout = c->defaults.timeout,
		                .poll_interval = c->defaults.poll_interval };
	struct op_begun begun;
	struct span wanted = NO_SPAN;
	struct poller *p;
	const char *why;
	uint32_t build;
	luaL_checktype(L, 2, LUA_TSTRING);
	lua_settop(L, 3);
	if (!lua_isnil(L, 3)) {
		options_check(L, 3, FOR_RESUME);
		wanted = options_string(L, 3, "id");
	}
	continuation_push_key(L, 1, 3);
	lua_getiuservalue(L, 1, CUV_CODEC);
	lua_pushvalue(L, 2);
	why = continuation_read(L, 5, 4, c, wanted, &spec, &begun);
	if (why)
		return refuse(L, why);
	p = poller_new(L, 1, spec.kind);
	do {
		build = ++c->builds;
		options_resume(L, 3, &c->defaults, &spec, &c->url);
	} while (build != c->builds);
	poller_init(L, p, &spec);
	if (!op_resume(&p->job.op, &begun))
		return luaL_error(L, "not enough memory");
	if (lua_istable(L, 3)) {
		options_push(L, 3, "wait");
		lua_setiuservalue(L, -2, PUV_WAIT);
	}
	poller_begin(L, -1);
	completion_offer(p);
	return 1;
}

void calls_set(lua_State *L) {
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)&methods[i].call);
		lua_pushcclosure(L, methods[i].how, 1);
		lua_setfield(L, -2, methods[i].name);
	}
	lua_pushcfunction(L, l_resume);
	lua_setfield(L, -2, "resume");
}
