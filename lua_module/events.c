/* events.c -- what on_event is told. */
#include "events.h"

#include <lauxlib.h>
#include <string.h>

#include "fields.h"
#include "sys.h"

/* ---- pieces ------------------------------------------------------------- */

/* Pushes on_event, or nothing.  [-0, +(0|1)] */
static bool push_listener(lua_State *L, int client) {
	if (lua_getiuservalue(L, client, CUV_EVENT) != LUA_TNIL)
		return true;
	lua_pop(L, 1);
	return false;
}

/* Begins an event's table.  [-0, +1] */
static void begin(lua_State *L, const char *event, const struct op *o) {
	lua_createtable(L, 0, 12);
	fields_string(L, "event", event);
	if (!o)
		return;
	fields_span(L, "id", o->spec.id);
	fields_span(L, "client_request_id", o->spec.client_request_id);
	if (o->deadline != NEVER) /* since its first request could go */
		fields_seconds(L, "elapsed",
		               sys_now().mono -
		                       (o->deadline - o->spec.timeout));
}

/* What lua raises after SIGINT ("interrupted!", lstop in lua.c), wherever Lua
   code runs next.  Value at the top. */
static bool is_interrupt(lua_State *L) {
	static const char word[] = "interrupted!";
	size_t n, m = sizeof word - 1;
	const char *text;
	if (lua_type(L, -1) != LUA_TSTRING)
		return false;
	text = lua_tolstring(L, -1, &n);
	return n >= m && memcmp(text + n - m, word, m) == 0;
}

/* Calls the listener below the event's table.  What it raises waits for the
   next who asks after this poller; without one it becomes a warning.  Ctrl-C is
   not the listener's: it ends whatever waits, now. */
static void tell(lua_State *L, int client, int poller) {
	struct lclient *c = lclient_at(L, client);
	if (lclient_call(L, c, 1, 0))
		return;
	if (is_interrupt(L))
		lua_error(L);
	if (lua_isnil(L, -1)) { /* error(nil) is an error, too */
		lua_pop(L, 1);
		lua_pushliteral(L, "on_event raised nil");
	}
	if (poller && lua_isuserdata(L, poller)) {
		lua_setiuservalue(L, poller, PUV_RAISED);
		return;
	}
	lua_warning(L, "azpec: on_event: ", 1);
	lua_warning(L, lclient_text(L, c).p, 0);
	lua_pop(L, 1);
}

/* A URL with no query but its api-version: all else may be a secret. */
static void set_url(lua_State *L, struct span url) {
	static const struct span key = { "api-version=", 12 };
	struct span rest;
	size_t n = 0;
	while (n < url.n && url.p[n] != '?')
		n++;
	fields_span(L, "url", (struct span){ url.p, n });
	for (rest = span_from(url, n); rest.n > 0; rest = span_from(rest, 1)) {
		size_t end = 0;
		if ((*rest.p != '?' && *rest.p != '&') ||
		    !span_istarts(span_from(rest, 1), key))
			continue;
		rest = span_from(rest, 1 + key.n);
		while (end < rest.n && rest.p[end] != '&')
			end++;
		fields_span(L, "api_version", (struct span){ rest.p, end });
		return;
	}
}

/* The fields Azure's SDKs log by default, and ARM's own ids and counters. */
static bool allowed(struct span name) {
	static const char *const names[] = {
		"cache-control",
		"connection",
		"content-length",
		"content-type",
		"date",
		"etag",
		"expires",
		"last-modified",
		"pragma",
		"request-id",
		"retry-after",
		"retry-after-ms",
		"server",
		"transfer-encoding",
		"x-ms-client-request-id",
		"x-ms-correlation-request-id",
		"x-ms-error-code",
		"x-ms-failure-cause",
		"x-ms-request-id",
		"x-ms-return-client-request-id",
		"x-ms-routing-request-id",
	};
	if (span_istarts(name, SPAN("x-ms-ratelimit-remaining-")))
		return true;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_ieq(name, span_of(names[i])))
			return true;
	return false;
}

/* A reply's text without our token, should it echo it; good until the next. */
static struct span shown(struct lclient *c, struct span s) {
	struct span token = buf_span(&c->core.signin.token);
	buf_clear(&c->id); /* scratch */
	fail_redact(&c->id, s, (struct secrets){ &token, 1 }, c->id.max);
	return buf_span(&c->id);
}

static void set_id(lua_State *L, const char *name, struct lclient *c,
                   const struct reply *r, const char *header) {
	fields_span(L, name, shown(c, reply_header(r, header)));
}

static void set_headers(lua_State *L, struct lclient *c,
                        const struct reply *r) {
	size_t at = 0;
	lua_createtable(L, 0, 8);
	while (at < r->head.n) {
		struct span line = span_of(r->head.p + at), name = line;
		at += line.n + 1;
		name.n = 0;
		while (name.n < line.n && line.p[name.n] != ':')
			name.n++;
		if (name.n == line.n || !allowed(name))
			continue;
		luaL_Buffer b;
		char *p = luaL_buffinitsize(L, &b, name.n);
		for (size_t i = 0; i < name.n; i++)
			p[i] = name.p[i] >= 'A' && name.p[i] <= 'Z'
			               ? (char)(name.p[i] + 32)
			               : name.p[i];
		luaL_pushresultsize(&b, name.n);
		line = shown(c, span_trim(span_from(line, name.n + 1)));
		lua_pushlstring(L, line.p ? line.p : "", line.n);
		lua_rawset(L, -3);
	}
	lua_setfield(L, -2, "headers");
}

static const char *phase(const struct op *o) {
	return phase_name(op_phase(o));
}

/* ---- events ------------------------------------------------------------- */

void event_request(lua_State *L, int client, struct job *job,
                   const struct request *q) {
	const struct op *o = job ? &job->op : NULL;
	if (!push_listener(L, client))
		return;
	begin(L, o ? "request" : "token", o);
	fields_string(L, "method", http_method_name(q->method));
	set_url(L, buf_span(&q->url));
	fields_string(L, "phase", o ? phase(o) : phase_name(PHASE_TOKEN));
	if (o)
		fields_integer(L, "attempt", o->tries + 1);
	if (job) {
		lclient_push_poller(L, client, job);
		lua_insert(L, -3);
		tell(L, client, lua_absindex(L, -3));
		lua_pop(L, 1);
	} else {
		tell(L, client, 0);
	}
}

void event_response(lua_State *L, int client, int poller, const struct op *o,
                    const struct transfer *t) {
	const struct reply *r = transfer_reply(t);
	struct lclient *c = lclient_at(L, client);
	if (!push_listener(L, client))
		return;
	begin(L, o ? "response" : "token", o);
	fields_string(L, "phase", o ? phase(o) : phase_name(PHASE_TOKEN));
	fields_string(L, "method",
	              http_method_name(transfer_request(t)->method));
	set_url(L, buf_span(&transfer_request(t)->url));
	if (r->error == NET_OK && r->status > 0) { /* no bare handshake */
		fields_integer(L, "status", r->status);
		set_headers(L, c, r);
		set_id(L, "request_id", c, r, "x-ms-request-id");
		set_id(L, "correlation_id", c, r,
		       "x-ms-correlation-request-id");
	} else if (r->error != NET_OK) {
		fields_string(L, "error", net_error_text(r->error));
		fields_span(L, "detail", buf_span(&r->note));
	}
	tell(L, client, poller);
}

void event_after(lua_State *L, int client, int poller, const struct op *o,
                 struct now now) {
	bool looks =
		o && o->leg == LEG_SETTLE && o->repeat; /* before a retry */
	bool retry = o && (o->tries > 0 || looks);
	if (!o || o->end != OP_WAIT || o->not_before <= now.mono)
		return;
	if (!push_listener(L, client))
		return;
	begin(L, retry ? "retry" : "poll", o);
	fields_string(L, "phase", phase(o));
	fields_seconds(L, "wait", o->not_before - now.mono);
	fields_seconds(L, "remaining", o->deadline - now.mono);
	fields_integer(L, "attempt", (looks ? o->writes : o->tries) + 1);
	fields_integer(L, "polls", o->polls);
	fields_span(L, "status", buf_span(&o->word));
	if (retry)
		fields_span(L, "reason", buf_span(&o->fail.message));
	if (o->percent >= 0)
		fields_integer(L, "percent_complete", o->percent);
	if (o->untrusted)
		fields_boolean(L, "untrusted_poll_url", true);
	tell(L, client, poller);
}

void event_end(lua_State *L, int client, struct job *job) {
	const struct op *o = &job->op;
	if (!push_listener(L, client))
		return;
	begin(L, "end", o);
	fields_boolean(L, "ok", o->end == OP_DONE);
	if (o->end == OP_FAIL) {
		fields_string(L, "kind", fail_kind_name(o->fail.kind));
		fields_span(L, "message", buf_span(&o->fail.message));
	}
	fields_span(L, "status", buf_span(&o->word));
	fields_integer(L, "polls", o->polls);
	lclient_push_poller(L, client, job);
	lua_insert(L, -3);
	tell(L, client, lua_absindex(L, -3));
	lua_pop(L, 1);
}
