/* events.c -- the events for on_event. */
#include "lua/events.h"

#include <lauxlib.h>
#include <string.h>

#include "lua/fields.h"
#include "lua/session.h"
#include "lua/trace_context.h"
#include "io/sys.h"

/* ---- pieces ------------------------------------------------------------- */

/* Pushes on_event, or nothing.  [-0, +(0|1)] */
static bool push_listener(lua_State *L, int client) {
	if (lua_getiuservalue(L, client, CUV_EVENT) != LUA_TNIL)
		return true;
	lua_pop(L, 1);
	return false;
}

/* Pushes the table of a new event.  [-0, +1] */
static void begin(lua_State *L, const char *event, const struct op *o) {
	lua_createtable(L, 0, 13);
	fields_string(L, "event", event);
	if (!o)
		return;
	fields_string(L, "call", op_call(o));
	fields_span(L, "id", o->spec.id);
	fields_span(L, "client_request_id", o->spec.client_request_id);
	if (o->deadline != NEVER) /* since its first request was possible */
		fields_seconds(L, "elapsed",
		               sys_mono() - (o->deadline - o->spec.timeout));
}

/* Calls the listener below the event's table.  An error is kept until the
   poller is asked next; without a poller it becomes a warning.  Ctrl-C is no
   error of the listener and ends the waiting call at once. */
static void tell(lua_State *L, int client, int poller) {
	struct client *c = client_at(L, client);
	if (session_pcall(L, c, 1, 0))
		return;
	if (session_interrupted(L))
		lua_error(L);
	if (lua_isnil(L, -1)) { /* error(nil) is an error as well */
		lua_pop(L, 1);
		lua_pushliteral(L, "on_event raised nil");
	}
	if (poller && lua_isuserdata(L, poller)) {
		lua_setiuservalue(L, poller, PUV_RAISED);
		return;
	}
	lua_warning(L, "azpec: on_event: ", 1);
	lua_warning(L, session_text(L, c).p, 0);
	lua_pop(L, 1);
}

/* A reply's text without our token, should it echo it; good until the next. */
static struct span shown(struct client *c, const struct op *o, struct span s) {
	struct span list[OP_SECRETS] = { buf_span(&c->core.chain.token) };
	struct secrets secrets =
		o ? op_secrets(o, list) : (struct secrets){ list, 1 };
	buf_clear(&c->id); /* scratch */
	redact_add(&c->id, s, secrets, buf_max(&c->id));
	return buf_span(&c->id);
}

/* The URL with api-version as its only query parameter: others may be
   secrets. */
static void set_url(lua_State *L, struct client *c, const struct op *o,
                    struct span url) {
	static const struct span key = { "api-version=", 12 };
	fields_span(L, "url", shown(c, o, span_cut(&url, '?')));
	while (url.p) {
		struct span parameter = span_cut(&url, '&');
		if (!span_istarts(parameter, key))
			continue;
		fields_span(L, "api_version", span_from(parameter, key.n));
		return;
	}
}

/* The fields that Azure's SDKs log by default, and Resource Manager's ids and
   counters. */
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

static void set_id(lua_State *L, const char *name, struct client *c,
                   const struct op *o, const struct reply *r,
                   const char *header) {
	fields_span(L, name, shown(c, o, reply_header(r, header)));
}

static void set_headers(lua_State *L, struct client *c, const struct op *o,
                        const struct reply *r) {
	size_t at = 0;
	lua_createtable(L, 0, 8);
	while (at < r->head.n) {
		struct span line = span_of(r->head.p + at), name;
		at += line.n + 1;
		name = span_cut(&line, ':');
		if (!line.p || !allowed(name))
			continue;
		luaL_Buffer b;
		char *p = luaL_buffinitsize(L, &b, name.n);
		for (size_t i = 0; i < name.n; i++)
			p[i] = name.p[i] >= 'A' && name.p[i] <= 'Z'
			               ? (char)(name.p[i] + 32)
			               : name.p[i];
		luaL_pushresultsize(&b, name.n);
		line = shown(c, o, span_trim(line));
		lua_pushlstring(L, line.p ? line.p : "", line.n);
		lua_rawset(L, -3);
	}
	lua_setfield(L, -2, "headers");
}

static void set_part(lua_State *L, const char *name, int64_t us) {
	if (us < 0)
		return;
	lua_pushnumber(L, (lua_Number)us / 1e6);
	lua_setfield(L, -2, name);
}

static void set_timings(lua_State *L, const struct transfer *t) {
	struct transfer_times p = transfer_times(t);
	lua_createtable(L, 0, 5);
	set_part(L, "dns", p.dns);
	set_part(L, "connect", p.connect);
	set_part(L, "tls", p.tls);
	set_part(L, "wait", p.wait);
	set_part(L, "receive", p.receive);
	lua_setfield(L, -2, "timings");
}

static const char *phase(const struct op *o) {
	return phase_name(op_phase(o));
}

/* ---- events ------------------------------------------------------------- */

void event_request(lua_State *L, int client, struct job *job,
                   const struct request *q) {
	const struct op *o = job ? &job->op : NULL;
	struct client *c = client_at(L, client);
	if (!push_listener(L, client))
		return;
	begin(L, o ? "request" : "token", o);
	fields_string(L, "method", http_method_name(q->method));
	set_url(L, c, o, buf_span(&q->url));
	trace_context_tell(L, c, o, q);
	fields_string(L, "phase", o ? phase(o) : phase_name(PHASE_TOKEN));
	if (o)
		fields_integer(L, "attempt", o->tries + 1);
	if (job) {
		session_push_poller(L, client, job);
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
	struct client *c = client_at(L, client);
	if (!push_listener(L, client))
		return;
	begin(L, o ? "response" : "token", o);
	fields_string(L, "phase", o ? phase(o) : phase_name(PHASE_TOKEN));
	if (o)
		fields_integer(L, "attempt", o->tries + 1);
	fields_string(L, "method",
	              http_method_name(transfer_request(t)->method));
	set_url(L, c, o, buf_span(&transfer_request(t)->url));
	trace_context_tell(L, c, o, transfer_request(t));
	set_timings(L, t);
	if (r->error == NET_OK && r->status > 0) { /* no bare handshake */
		fields_integer(L, "status", r->status);
		set_headers(L, c, o, r);
		set_id(L, "request_id", c, o, r, "x-ms-request-id");
		set_id(L, "correlation_id", c, o, r,
		       "x-ms-correlation-request-id");
	} else if (r->error != NET_OK) {
		fields_string(L, "error", net_error_text(r->error));
		fields_span(L, "detail", buf_span(&r->note));
	}
	tell(L, client, poller);
}

void event_policy(lua_State *L, int client, int poller, const struct op *o) {
	if (o->end != OP_WAIT || o->leg != LEG_WRITE ||
	    !push_listener(L, client))
		return;
	begin(L, "policy_token", o);
	fields_string(L, "phase", phase_name(PHASE_POLICY));
	fields_span(L, "policy_token_id", buf_span(&o->change.policy->id));
	fields_given(L, "change_reference", o->spec.change_reference);
	tell(L, client, poller);
}

void event_after(lua_State *L, int client, int poller, const struct op *o,
                 struct now now) {
	bool evaluates = o && op_evaluates_again(o);
	bool retry = o && (op_failures(o) > 0 || evaluates);
	if (!o || o->end != OP_WAIT || o->not_before <= now.mono)
		return;
	if (!push_listener(L, client))
		return;
	begin(L, retry ? "retry" : "poll", o);
	fields_string(L, "phase", phase(o));
	fields_seconds(L, "wait", o->not_before - now.mono);
	fields_seconds(L, "remaining", o->deadline - now.mono);
	fields_integer(
		L, "attempt",
		(evaluates ? o->change.policy->evaluations : op_failures(o)) +
			1);
	fields_integer(L, "polls", o->polls);
	fields_span(L, "status", buf_span(&o->last_status));
	if (retry)
		fields_span(L, "reason",
		            buf_span(evaluates ? &o->change.policy->reason
		                               : &o->fail.message));
	if (o->percent >= 0)
		fields_integer(L, "percent_complete", o->percent);
	if (o->untrusted)
		fields_boolean(L, "untrusted_poll_url", true);
	tell(L, client, poller);
}

void event_cache(lua_State *L, int client, const char *outcome,
                 const char *why) {
	if (!push_listener(L, client))
		return;
	begin(L, "token_cache", NULL);
	fields_string(L, "outcome", outcome);
	if (why)
		fields_string(L, "message", why);
	tell(L, client, 0);
}

/* Adds those members of the error that name a failure, and find it at the
   service. */
static void set_failure(lua_State *L, const struct fail *f) {
	fields_string(L, "kind", fail_kind_name(f->kind));
	fields_span(L, "message", buf_span(&f->message));
	fields_span(L, "code", buf_span(&f->code));
	if (f->http_status > 0)
		fields_integer(L, "http_status", f->http_status);
	fields_span(L, "request_id", buf_span(&f->request_id));
	fields_span(L, "correlation_id", buf_span(&f->correlation_id));
}

void event_end(lua_State *L, int client, struct job *job) {
	const struct op *o = &job->op;
	if (!push_listener(L, client))
		return;
	begin(L, op_has_next_page(o) ? "page" : "end", o);
	fields_boolean(L, "ok", o->end == OP_DONE);
	if (o->end == OP_FAIL)
		set_failure(L, &o->fail);
	fields_span(L, "status", buf_span(&o->last_status));
	fields_integer(L, "polls", o->polls);
	session_push_poller(L, client, job);
	lua_insert(L, -3);
	tell(L, client, lua_absindex(L, -3));
	lua_pop(L, 1);
}

void event_subscription(lua_State *L, int client) {
	const struct op_defaults *d = &client_at(L, client)->defaults;
	if (!push_listener(L, client))
		return;
	begin(L, "subscription", NULL);
	fields_span(L, "subscription_id", d->subscription_id);
	fields_string(L, "subscription_from", d->subscription_from);
	tell(L, client, 0);
}
