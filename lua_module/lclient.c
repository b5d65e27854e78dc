/* lclient.c -- azpec.client and its methods. */
#include "lclient.h"

#include <lauxlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "azpec.h"
#include "core/advice.h"
#include "core/flow.h"
#include "fields.h"
#include "json.h"
#include "lcompletions.h"
#include "lcredential.h"
#include "lerror.h"
#include "lidentity.h"
#include "lpause.h"
#include "lpoller.h"
#include "passport.h"
#include "sys.h"
#include "waiting.h"

enum {
	MAX_FLYING = 64,              /* requests on their way at once */
	MAX_REPLY = 16 * 1024 * 1024, /* ARM's own ceiling is 8 MB */
	SIGNIN_TRIES = 3,             /* at most: a wrong secret stays wrong */
	TRY_TIMEOUT = 100000,         /* ms; ARM answers within 60 s */
};

/* Its metatable's name; the address is the key of the pool itself. */
static const char POOL_TYPE[] = "azpec.pool";

struct lclient *lclient_check(lua_State *L, int idx) {
	return luaL_checkudata(L, idx, CLIENT_TYPE);
}

void lclient_push_poller(lua_State *L, int idx, const struct job *job) {
	lua_getiuservalue(L, idx, CUV_POLLERS);
	lua_rawgetp(L, -1, job);
	lua_remove(L, -2);
}

/* ---- the Lua state's pool of descriptors -------------------------------- */

struct pool {
	struct mem mem;
	struct pollset_pool sets;
};

static int l_pool_gc(lua_State *L) {
	struct pool *pool = lua_touserdata(L, 1);
	pollset_pool_close(&pool->sets);
	return 0;
}

/* [-0, +1] */
static struct pollset_pool *push_pool(lua_State *L) {
	struct pool *pool;
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, POOL_TYPE) == LUA_TUSERDATA) {
		pool = lua_touserdata(L, -1);
		return &pool->sets;
	}
	lua_pop(L, 1);
	pool = lua_newuserdatauv(L, sizeof *pool, 0);
	luaL_setmetatable(L, POOL_TYPE);
	pool->mem.alloc = lua_getallocf(L, &pool->mem.ud);
	pollset_pool_init(&pool->sets, &pool->mem);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, POOL_TYPE);
	return &pool->sets;
}

/* ---- opening ------------------------------------------------------------ */

/* A copy of s that lives as long as the client; its table is at the top. */
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
	lua_remove(L, -2); /* the application */
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	return text; /* anchored */
}

/* The endpoint's origin and the trusted ones; all text is anchored first. */
static void set_origins(lua_State *L, struct lclient *c, const struct url *more,
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

/* Socket, timers, connections: what a fork's child has to make anew. */
static void open_io(lua_State *L, struct lclient *c) {
	c->pid = (int)getpid();
	c->ps = pollset_take(c->pool);
	if (!c->ps)
		luaL_error(L, "no descriptor to be had");
	c->io = curlio_open(&c->mem, c->ps, &c->io_config);
	if (!c->io) {
		pollset_give(c->pool, c->ps, false);
		c->ps = NULL;
		luaL_error(L, "libcurl could not be started");
	}
}

/* The userdata, closed so far.  [-0, +1] */
static struct lclient *push_closed(lua_State *L) {
	struct lclient *c = lua_newuserdatauv(L, sizeof *c, CUV_COUNT);
	memset(c, 0, sizeof *c);
	luaL_setmetatable(L, CLIENT_TYPE);
	c->mem.alloc = lua_getallocf(L, &c->mem.ud);
	c->limit = c->due = NEVER;
	stock_init(&c->stock, c);
	request_init(&c->request, &c->mem);
	buf_init(&c->url, &c->mem, MAX_REPLY);
	buf_init(&c->id, &c->mem, MAX_REPLY);
	return c;
}

/* All strings that C will point to.  The client is at the top. */
static void anchor_options(lua_State *L, struct lclient *c,
                           const struct client_options *o,
                           const struct url *more, size_t count) {
	lua_newtable(L);
	c->defaults = (struct op_defaults){
		.endpoint = anchor(L, o->endpoint),
		.subscription_id = anchor(L, o->subscription_id),
		.api_version = anchor(L, o->api_version),
		.timeout = o->timeout,
		.poll_interval = o->poll_interval,
	};
	c->io_config = (struct curlio_config){
		.ca_file = anchor_path(L, o->ca_file),
		.ca_path = anchor_path(L, o->ca_path),
		.proxy = anchor_path(L, o->proxy),
		.user_agent = anchor_user_agent(L, o->application_id),
		.max_connections = (long)o->max_connections,
		.max_body = MAX_REPLY,
	};
	set_origins(L, c, more, count);
	lua_setiuservalue(L, -2, CUV_ANCHOR);
}

/* Pollers, codec, the host's functions.  options at index 1, client at the
   top. */
static void set_user_values(lua_State *L, struct lclient *c) {
	lua_newtable(L);
	lua_setiuservalue(L, -2, CUV_POLLERS);
	json_push_codec(L);
	lua_setiuservalue(L, -2, CUV_CODEC);
	options_push(L, 1, "wait");
	lua_setiuservalue(L, -2, CUV_WAIT);
	options_push(L, 1, "on_event");
	lua_setiuservalue(L, -2, CUV_EVENT);
	c->pool = push_pool(L);
	lua_setiuservalue(L, -2, CUV_POOL);
}

/* The credentials, read once: later changes of the environment change
   nothing.  options at index 1, client at the top. */
static void set_signin(lua_State *L, struct lclient *c,
                       const struct client_options *o) {
	struct signin_spec specs[MAX_LINKS];
	struct signin *s = &c->core.signin;
	int top = lua_gettop(L);
	uint32_t seed;
	size_t count;
	options_push(L, 1, "credential");
	count = lcredential_push(L, top + 1, specs);
	if (!sys_random(&seed, sizeof seed))
		luaL_error(L, "the system has no random bytes to give");
	if (!signin_init(s, &c->mem, specs, count, o->authority_host, o->scope,
	                 seed)) {
		signin_free(s);
		luaL_error(L, "not enough memory");
	}
	lua_setiuservalue(L, top, CUV_LINKS);
	if (o->discover &&
	    !signin_find(s, &flow_discovery, c->defaults.endpoint))
		luaL_error(L, "not enough memory");
	s->retry = o->retry;
	if (s->retry.max_tries > SIGNIN_TRIES)
		s->retry.max_tries = SIGNIN_TRIES;
	lua_settop(L, top);
}

/* options at index 1 -> the client at the top.  [-0, +1] */
static void push_client(lua_State *L) {
	struct client_options o = { .timeout = 0 };
	struct url more[MAX_ORIGINS - 1];
	struct op_config cfg = { .try_timeout = TRY_TIMEOUT };
	struct lclient *c;
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
	client_init(&c->core, &cfg, MAX_FLYING);
	open_io(L, c);
	c->open = true; /* from here on __gc has something to close */
	set_signin(L, c, &o);
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

/* ---- closing ------------------------------------------------------------ */

/* Ends all live operations as canceled and cuts their ties. */
static void end_all(lua_State *L, int idx, struct lclient *c, bool forget,
                    const char *why) {
	struct now now = sys_now();
	lua_getiuservalue(L, idx, CUV_POLLERS);
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		struct poller *p = poller_at(L, -1);
		if (p->linked) {
			op_stop(&p->job.op, FAIL_CANCELED, why, now);
			client_remove(&c->core, &p->job);
			p->linked = false;
			lclient_abort(c, &p->job);
			stock_ended(p);
		}
		lua_pop(L, 1);
		/* a loop goes on handing them out; nobody else can ask the
		   client for one any more */
		if (forget && !(p->stock && p->stock->looped)) {
			stock_take(p);
			p->listed = false;
			lua_pushvalue(L, -1);
			lua_pushnil(L);
			lua_rawset(L, -4);
		}
	}
	lua_pop(L, 1);
}

void lclient_let_go(struct lclient *c) {
	if (!c->ps || c->armed > 0)
		return;
	pollset_give(c->pool, c->ps, c->pid != (int)getpid());
	c->ps = NULL;
}

/* What never reached the service cannot have been carried out. */
void lclient_abort(struct lclient *c, struct job *job) {
	if (!job->transfer)
		return;
	if (c->pid != (int)getpid()) { /* the parent's, and left to it */
		job->transfer = NULL;
		return;
	}
	if (!transfer_sent(job->transfer))
		op_unsent(&job->op);
	curlio_abort(c->io, job->transfer);
	job->transfer = NULL;
}

/* A function that forked has come back in the child too, where the step that
   called it must do no more: it ends with what the function raised, at the
   top, or with a mark that says that nothing is wrong. */
static void leave_step(lua_State *L, struct lclient *c, bool failed) {
	if (!failed)
		lua_pushlightuserdata(L, c);
	lua_error(L);
}

bool lclient_call(lua_State *L, struct lclient *c, int n, int results) {
	bool was = c->busy;
	int failed, pid = (int)getpid();
	c->busy = true;
	failed = lua_pcall(L, n, results, 0);
	c->busy = was;
	if (was && pid != (int)getpid())
		leave_step(L, c, failed);
	return !failed;
}

static int l_text(lua_State *L) {
	luaL_tolstring(L, 1, NULL);
	return 1;
}

struct span lclient_text(lua_State *L, struct lclient *c) {
	struct span s;
	lua_pushcfunction(L, l_text);
	lua_insert(L, -2);
	if (!lclient_call(L, c, 1, 1) && !lua_isstring(L, -1)) {
		lua_pop(L, 1);
		lua_pushliteral(L, "an error that cannot be shown");
	}
	s.p = lua_tolstring(L, -1, &s.n);
	return s;
}

/* For close and __close, and the first half of __gc; any number of times. */
static int l_close(lua_State *L) {
	struct lclient *c = lclient_check(L, 1);
	bool forked = c->pid != (int)getpid();
	if (c->open && c->busy)
		return luaL_error(L, "a client's own callback must not close "
		                     "it");
	if (c->open) {
		end_all(L, 1, c, true,
		        "the client was closed: what the service was "
		        "asked to do goes on");
		c->open = false;
		child_end(c->child, forked);
		c->child = NULL;
		curlio_close(c->io, forked);
		pollset_due(c->ps, NEVER);
		if (c->armed > 0 && !forked)
			pollset_news(c->ps, true); /* wake who waits */
		else
			lclient_let_go(c);
	}
	client_free(&c->core);
	if (c->core.signin.mem)
		signin_free(&c->core.signin);
	request_free(&c->request);
	buf_free(&c->url);
	buf_free(&c->id);
	return 0;
}

/* Nobody holds it any more, so nobody waits at its descriptor either. */
static int l_gc(lua_State *L) {
	struct lclient *c = lclient_check(L, 1);
	l_close(L);
	waiting_forget(c);
	lclient_let_go(c);
	return 0;
}

/* In a fork's child the parent's operations, sockets and epoll are not ours:
   they end here without a word to anybody, and new ones are opened. */
static void leave_parent(lua_State *L, int idx, struct lclient *c) {
	end_all(L, idx, c, false,
	        "this process was forked off: the operation is its "
	        "parent's");
	child_end(c->child, true);
	c->child = NULL;
	curlio_close(c->io, true);
	pollset_give(c->pool, c->ps, true);
	c->ps = NULL;
	client_lost_signin(&c->core);
	waiting_forget(c);
	c->open = false;
	open_io(L, c);
	c->open = true;
}

struct lclient *lclient_open_at(lua_State *L, int idx) {
	struct lclient *c = lclient_check(L, idx);
	if (!c->open)
		luaL_error(L, "attempt to use a closed client");
	if (c->pid != (int)getpid())
		leave_parent(L, lua_absindex(L, idx), c);
	return c;
}

/* ---- operations --------------------------------------------------------- */

/* The calls, by the names of the REST description's operations. */
#define ONE (FOR_CONNECTION | FOR_CALL)
#define MANY (FOR_LIST | FOR_CALL)
static const struct call update = {
	.kind = OP_UPDATE,
	.fields = ONE | FOR_UPDATE | FOR_MATCH,
	.collection = "",
};
static const struct call ensure = {
	.kind = OP_ENSURE,
	.fields = ONE | FOR_UPDATE | FOR_MATCH,
	.collection = "",
};
static const struct call delete = {
	.kind = OP_DELETE,
	.fields = ONE | FOR_MATCH,
	.collection = "",
};
static const struct call get = {
	.kind = OP_GET,
	.fields = ONE,
	.collection = "",
};
static const struct call list = {
	.kind = OP_LIST,
	.fields = FOR_ACCOUNT | MANY,
	.collection = "/privateEndpointConnections",
};
#define NEEDS "the identity needs Microsoft.Batch/batchAccounts/"
#define ON_ACCOUNT "read on the Batch account"
static const struct call get_link = {
	.kind = OP_GET,
	.fields = FOR_LINK | FOR_CALL,
	.collection = "",
	.needs = NEEDS "privateLinkResources/" ON_ACCOUNT WHEN_GRANTED,
};
static const struct call list_links = {
	.kind = OP_LIST,
	.fields = FOR_ACCOUNT | MANY,
	.collection = "/privateLinkResources",
	.needs = NEEDS "privateLinkResources/" ON_ACCOUNT WHEN_GRANTED,
};
static const struct call get_account = {
	.kind = OP_GET,
	.fields = FOR_ACCOUNT | FOR_CALL,
	.collection = "",
	.needs = NEEDS ON_ACCOUNT WHEN_GRANTED,
};
static const struct call list_accounts = {
	.kind = OP_LIST,
	.fields = FOR_GROUP | FOR_CALL,
	.collection = "/providers/Microsoft.Batch/batchAccounts",
	.needs = NEEDS "read on the subscription or the resource "
		       "group" WHEN_GRANTED,
};
/* "Permissions - List For Resource", of Microsoft.Authorization. */
static const struct call list_permissions = {
	.kind = OP_LIST,
	.fields = FOR_ACCOUNT | FOR_CALL,
	.collection = "/providers/Microsoft.Authorization/permissions",
	.needs = "the identity needs Microsoft.Authorization/permissions/"
		 "read on the Batch account (the role Reader has "
		 "it)" WHEN_GRANTED,
	.api_version = "2022-04-01",
};

static const struct call identity = { .kind = OP_IDENTITY,
	                              .fields = FOR_IDENTITY };

/* The PATCH's text, anchored at the top.  [-0, +1] */
static struct span push_body(lua_State *L, int client,
                             const struct op_spec *spec) {
	struct span s;
	lua_getiuservalue(L, client, CUV_CODEC);
	options_push_body(L, spec);
	json_encode(L, lua_gettop(L) - 1);
	lua_remove(L, -2); /* the codec */
	s.p = lua_tolstring(L, -1, &s.n);
	return s;
}

/* options at index opts, checked -> a poller at the top.  [-0, +1] */
static void push_poller(lua_State *L, int client, int opts,
                        const struct call *call) {
	struct lclient *c = lclient_at(L, client);
	struct op_spec spec = { .kind = call->kind };
	options_op(L, opts, call, &c->defaults, &spec, &c->url, &c->id);
	if (call->fields & FOR_UPDATE)
		spec.body = push_body(L, client, &spec);
	else
		lua_pushnil(L);
	lpoller_new(L, client, &spec);
	lua_remove(L, -2); /* the body */
	options_push(L, opts, "wait");
	lua_setiuservalue(L, -2, PUV_WAIT);
}

/* stack: 1 = the client, 2 = the options -> 3 = the poller */
static void prepare(lua_State *L, const struct call *call) {
	lclient_open_at(L, 1);
	lua_settop(L, 2);
	options_check(L, 2, call->fields);
	push_poller(L, 1, 2, call);
}

static int run(lua_State *L, const struct call *call) {
	if (lclient_open_at(L, 1)->busy)
		luaL_error(L, "a client's own callback must not step it");
	prepare(L, call);
	return lpoller_call(L, 0);
}

static int l_client_update(lua_State *L) {
	return run(L, &update);
}

static int l_client_delete(lua_State *L) {
	return run(L, &delete);
}

static int l_client_ensure(lua_State *L) {
	return run(L, &ensure);
}

static int l_client_get(lua_State *L) {
	return run(L, &get);
}

static int l_get_private_link_resource(lua_State *L) {
	return run(L, &get_link);
}

static int l_get_account(lua_State *L) {
	return run(L, &get_account);
}

/* An empty table where no options were given. */
static void default_options(lua_State *L) {
	if (!lua_isnoneornil(L, 2))
		return;
	lua_settop(L, 1);
	lua_newtable(L);
}

static int l_identity(lua_State *L) {
	default_options(L);
	return run(L, &identity);
}

static int l_explain(lua_State *L) {
	lclient_open_at(L, 1);
	lidentity_push_links(L, 1);
	return 1;
}

static int offer(lua_State *L, const struct call *call) {
	prepare(L, call);
	lpoller_begin(L, 3);
	stock_offer(poller_at(L, 3));
	return 1;
}

static int l_begin_update(lua_State *L) {
	return offer(L, &update);
}

static int l_begin_delete(lua_State *L) {
	return offer(L, &delete);
}

static int l_begin_ensure(lua_State *L) {
	return offer(L, &ensure);
}

int l_update(lua_State *L) {
	lua_settop(L, 1);
	options_check(L, 1, FOR_CLIENT | update.fields);
	push_client(L);
	push_poller(L, 2, 1, &update);
	return lpoller_call(L, 2);
}

/* ---- resume ------------------------------------------------------------- */

/* resume(token, { id = ... }) checks the resource as well. */
static const char *check_id(lua_State *L, struct span id) {
	struct span wanted;
	if (lua_isnil(L, 3))
		return NULL;
	wanted = options_string(L, 3, "id");
	return !wanted.p || span_ieq(wanted, id)
	               ? NULL
	               : "it belongs to another connection";
}

static int refuse(lua_State *L, const char *why) {
	lua_pushnil(L);
	lua_pushfstring(L, "the continuation token is refused: %s", why);
	lerror_push_plain(L, FAIL_PROTOCOL, lua_tostring(L, -1));
	lua_remove(L, -2);
	return 2;
}

static int l_resume(lua_State *L) {
	struct lclient *c = lclient_open_at(L, 1);
	struct op_spec spec = { .timeout = c->defaults.timeout,
		                .poll_interval = c->defaults.poll_interval };
	enum poll_source source;
	struct poller *p;
	struct span url;
	const char *why;
	bool changed;
	luaL_checktype(L, 2, LUA_TSTRING);
	lua_settop(L, 3);
	if (!lua_isnil(L, 3))
		options_check(L, 3, FOR_RESUME);
	lua_getiuservalue(L, 1, CUV_CODEC);
	lua_pushvalue(L, 2);
	why = passport_read(L, 4, c, &spec, &source, &url, &changed);
	if (!why)
		why = check_id(L, spec.id);
	if (why)
		return refuse(L, why);
	options_resume(L, 3, &c->defaults, &spec, &c->url);
	if (spec.kind != OP_DELETE)
		spec.body = push_body(L, 1, &spec);
	p = lpoller_new(L, 1, &spec);
	if (!op_resume(&p->job.op, source, url, changed))
		return luaL_error(L, "not enough memory");
	if (lua_istable(L, 3)) {
		options_push(L, 3, "wait");
		lua_setiuservalue(L, -2, PUV_WAIT);
	}
	lpoller_begin(L, -1);
	stock_offer(p);
	return 1;
}

/* ---- list --------------------------------------------------------------- */

/* Upvalues of the iterator. */
enum { LUV_ITEMS = 1, LUV_AT, LUV_CLIENT, LUV_COUNT = LUV_CLIENT };

static bool push_item(lua_State *L) {
	lua_Integer at = lua_tointeger(L, lua_upvalueindex(LUV_AT)) + 1;
	if (!lua_istable(L, lua_upvalueindex(LUV_ITEMS)) ||
	    lua_rawgeti(L, lua_upvalueindex(LUV_ITEMS), at) == LUA_TNIL)
		return false;
	lua_pushinteger(L, at);
	lua_replace(L, lua_upvalueindex(LUV_AT));
	if (lua_istable(L, -1))
		json_polish(L, -1);
	return true;
}

/* A page has come: its items replace the last page's, which may go. */
static int paged(lua_State *L) {
	if (poller_at(L, DRIVE_OBJECT)->job.op.end == OP_FAIL) {
		lpoller_push_outcome(L, DRIVE_OBJECT);
		return lua_error(L); /* the err table */
	}
	lua_getiuservalue(L, DRIVE_OBJECT, PUV_RESULT);
	lua_getfield(L, -1, "value");
	lua_replace(L, lua_upvalueindex(LUV_ITEMS));
	lua_pushinteger(L, 0);
	lua_replace(L, lua_upvalueindex(LUV_AT));
	lua_pushnil(L);
	lua_setiuservalue(L, DRIVE_OBJECT, PUV_RESULT);
	if (push_item(L))
		return 1;
	lua_pushnil(L);
	return 1;
}

/* A page that came while another call waited is still to be read. */
static bool has_page(lua_State *L) {
	bool has = lua_getiuservalue(L, DRIVE_OBJECT, PUV_RESULT) != LUA_TNIL;
	lua_pop(L, 1);
	return has;
}

/* The generic for's iterator: stack 1 = the poller, 2 = the last item */
static int l_next(lua_State *L) {
	struct poller *p = poller_check(L, 1);
	lua_settop(L, 1);
	if (push_item(L))
		return 1;
	lua_settop(L, 1);
	lclient_open_at(L, lua_upvalueindex(LUV_CLIENT));
	if (!p->linked)
		return luaL_error(L, "attempt to go on with a list that has "
		                     "ended");
	if (p->job.op.end == OP_DONE && !has_page(L)) {
		if (!op_next_page(&p->job.op)) {
			lpoller_push_outcome(L, 1); /* collects it */
			lua_pushnil(L);
			return 1;
		}
		client_resume(&p->client->core, &p->job);
		waiting_due(p->client, 0);
		p->concluded = false;
	}
	lpoller_push_waiter(L, 1);
	lua_pushvalue(L, lua_upvalueindex(LUV_CLIENT));
	lua_settop(L, DRIVE_CLOSE);
	return drive_until(L, &p->waiting, NEVER, paged);
}

static int iterate(lua_State *L, const struct call *call) {
	prepare(L, call); /* 3 = the poller */
	lua_pushnil(L);
	lua_pushinteger(L, 0);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, l_next, LUV_COUNT);
	lpoller_begin(L, 3);
	lua_pushvalue(L, 3);
	lua_pushnil(L);
	lua_pushvalue(L, 3); /* closed at the loop's end, break included */
	return 4;
}

static int l_list(lua_State *L) {
	return iterate(L, &list);
}

static int l_list_private_link_resources(lua_State *L) {
	return iterate(L, &list_links);
}

static int l_list_permissions(lua_State *L) {
	return iterate(L, &list_permissions);
}

/* Of the resource group, or of the whole subscription without one. */
static int l_list_accounts(lua_State *L) {
	default_options(L);
	return iterate(L, &list_accounts);
}

/* ---- a guest in an event loop ------------------------------------------- */

static int l_step(lua_State *L) {
	lua_settop(L, 1);
	drive_step(L, 1);
	return 0;
}

static int l_pollfd(lua_State *L) {
	lua_pushinteger(L, pollset_fd(lclient_open_at(L, 1)->ps));
	return 1;
}

static int l_events(lua_State *L) {
	lclient_open_at(L, 1);
	lua_pushliteral(L, "r");
	return 1;
}

/* The descriptor has its own timer: nobody needs to keep one for us. */
static int l_timeout(lua_State *L) {
	lclient_open_at(L, 1);
	lua_pushnil(L);
	return 1;
}

/* What the service last said is left of each of its limits. */
static int l_rate_limits(lua_State *L) {
	const struct lclient *c = lclient_open_at(L, 1);
	lua_newtable(L);
	for (int i = 0; i < RATE_COUNT; i++) {
		if (c->core.rate.remaining[i] < 0)
			continue;
		lua_pushinteger(L, c->core.rate.remaining[i]);
		lua_setfield(L, -2, rate_name(i));
	}
	return 1;
}

/* What options, environment and defaults came to. */
static int l_settings(lua_State *L) {
	const struct lclient *c = lclient_open_at(L, 1);
	const char *file, *path;
	lua_createtable(L, 0, 7);
	fields_span(L, "endpoint", c->defaults.endpoint);
	fields_span(L, "subscription_id", c->defaults.subscription_id);
	fields_span(L, "authority_host", buf_span(&c->core.signin.authority));
	fields_span(L, "scope", buf_span(&c->core.signin.scope));
	fields_span(L, "api_version", c->defaults.api_version);
	curlio_trust(&c->io_config, &file, &path);
	if (file)
		fields_string(L, "ca_file", file);
	if (path)
		fields_string(L, "ca_path", path);
	return 1;
}

static int l_tostring(lua_State *L) {
	const struct lclient *c = lclient_check(L, 1);
	if (c->open)
		lua_pushfstring(L, "azpec.client (%s)", c->defaults.endpoint.p);
	else
		lua_pushliteral(L, "azpec.client (closed)");
	return 1;
}

static const luaL_Reg methods[] = {
	{ "update", l_client_update },
	{ "delete", l_client_delete },
	{ "ensure", l_client_ensure },
	{ "get", l_client_get },
	{ "get_account", l_get_account },
	{ "get_private_link_resource", l_get_private_link_resource },
	{ "list", l_list },
	{ "list_accounts", l_list_accounts },
	{ "list_permissions", l_list_permissions },
	{ "list_private_link_resources", l_list_private_link_resources },
	{ "begin_update", l_begin_update },
	{ "begin_delete", l_begin_delete },
	{ "begin_ensure", l_begin_ensure },
	{ "identity", l_identity },
	{ "explain", l_explain },
	{ "resume", l_resume },
	{ "completions", l_completions },
	{ "finished", l_finished },
	{ "rate_limits", l_rate_limits },
	{ "settings", l_settings },
	{ "step", l_step },
	{ "wait", l_client_wait },
	{ "pollfd", l_pollfd },
	{ "events", l_events },
	{ "timeout", l_timeout },
	{ "close", l_close },
	{ NULL, NULL },
};

static const luaL_Reg metamethods[] = { { "__gc", l_gc },
	                                { "__close", l_close },
	                                { "__tostring", l_tostring },
	                                { NULL, NULL } };

void lclient_open(lua_State *L) {
	luaL_newmetatable(L, POOL_TYPE);
	lua_pushcfunction(L, l_pool_gc);
	lua_setfield(L, -2, "__gc");
	push_pool(L); /* before any client: it is finalized after them all */
	lua_pop(L, 2);
	luaL_newmetatable(L, CLIENT_TYPE);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
