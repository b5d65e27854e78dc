/* op_state.c -- the functions that change an operation's state. */
#include "core/op_state.h"

const char *const op_calls[] = {
	[OP_UPDATE] = "update",    [OP_DELETE] = "delete",
	[OP_ENSURE] = "ensure",    [OP_GET] = "get",
	[OP_LIST] = "list",        [OP_QUERY] = "query_resource_graph",
	[OP_IDENTITY] = "identity"
};

const char *op_call(const struct op *o) {
	return o->resumed ? "resume" : op_calls[o->spec.kind];
}

bool op_writes(const struct op *o) {
	return o->spec.kind != OP_GET && !op_lists(o) &&
	       o->spec.kind != OP_IDENTITY;
}

bool op_lists(const struct op *o) {
	return o->spec.kind == OP_LIST || o->spec.kind == OP_QUERY;
}

bool op_unknown(const struct op *o) {
	return op_writes(o) &&
	       (o->known == KNOWN_DOUBTFUL || o->known == KNOWN_ACCEPTED ||
	        (o->in_flight && o->leg == LEG_WRITE));
}

bool op_untouched(const struct op *o) {
	return o->known == KNOWN_UNDONE && !op_unknown(o);
}

enum phase op_phase(const struct op *o) {
	if (o->spec.kind == OP_IDENTITY)
		return PHASE_TOKEN;
	switch (o->leg) {
	case LEG_ACQUIRE:
	case LEG_AWAIT:
		return PHASE_POLICY;
	case LEG_READ:
	case LEG_WRITE:
		return PHASE_REQUEST;
	case LEG_POLL:
	case LEG_WATCH:
		return PHASE_POLL;
	default:
		return op_retries_write(o) ? PHASE_REQUEST : PHASE_RESULT;
	}
}

bool op_retries_write(const struct op *o) {
	return o->leg == LEG_SETTLE && o->repeat;
}

int op_failures(const struct op *o) {
	return op_retries_write(o) ? o->writes : o->tries;
}

bool op_acquires(const struct op *o) {
	return o->leg == LEG_ACQUIRE || o->leg == LEG_AWAIT;
}

bool op_evaluates_again(const struct op *o) {
	return o->leg == LEG_ACQUIRE && o->tries == 0 &&
	       o->change.policy->evaluations > 0;
}

bool op_keeps_failure(const struct op *o) {
	return o->leg == LEG_SETTLE ||
	       (op_acquires(o) && o->change.policy->refused);
}

struct secrets op_secrets(const struct op *o, struct span *list) {
	const struct policy *p = op_writes(o) ? o->change.policy : NULL;
	list[0] = o->cfg->token ? buf_span(o->cfg->token) : NO_SPAN;
	list[1] = p ? policy_secret(p) : NO_SPAN;
	return (struct secrets){ list, OP_SECRETS };
}

struct span op_request_url(const struct op *o) {
	if (op_acquires(o))
		return buf_span(&o->change.policy->poll.url);
	if (o->leg == LEG_POLL)
		return buf_span(&o->poll.url);
	return op_next_url(o).n > 0 ? op_next_url(o) : o->spec.url;
}

struct span op_next_url(const struct op *o) {
	return o->spec.kind == OP_LIST ? buf_span(&o->pages.next) : NO_SPAN;
}

struct span op_guard(const struct op *o) {
	return o->spec.if_match.p ? o->spec.if_match
	                          : buf_span(&o->change.etag);
}

/* ---- legs and ends
   -------------------------------------------------------- */

void op_begin_message(struct op *o, const char *text) {
	struct buf rest;
	buf_init(&rest, o->cfg->mem, OP_MAX_TEXT);
	buf_move(&rest, &o->fail.message);
	buf_adds(&o->fail.message, text);
	buf_add(&o->fail.message, buf_span(&rest));
	buf_free(&rest);
}

/* True when the answer that ends it refused a later try of the write. */
static bool refused_later(const struct op *o) {
	int status = o->fail.http_status;
	return o->known == KNOWN_DOUBTFUL && status >= 400 && status < 500 &&
	       status != 408;
}

/* True when no answer after the write's own tells how it ended.  The messages
   of a timeout and a cancellation say so themselves. */
static bool end_unread(const struct op *o) {
	return op_writes(o) && o->known == KNOWN_ACCEPTED &&
	       o->fail.phase != PHASE_REQUEST && o->fail.kind != FAIL_TIMEOUT &&
	       o->fail.kind != FAIL_CANCELED;
}

/* Adds what is not known of the write. */
static void add_unknown(struct op *o) {
	if (end_unread(o))
		op_begin_message(o, "the write was accepted, but its result "
		                    "could not be read: ");
	if (refused_later(o))
		buf_adds(&o->fail.message,
		         "; an earlier attempt got no response and may have "
		         "taken effect");
	if (o->known == KNOWN_REPLACED)
		buf_adds(&o->fail.message,
		         "; an earlier attempt may have taken effect, and the "
		         "connection was changed since");
}

void op_failed(struct op *o) {
	add_unknown(o);
	o->end = OP_FAIL;
}

void op_done(struct op *o, enum op_keep keep) {
	o->known = KNOWN_DECIDED;
	o->keep = keep;
	o->end = OP_DONE;
}

void op_move(struct op *o, enum op_leg leg, int64_t not_before) {
	o->leg = leg;
	o->tries = 0;
	o->not_before = not_before;
	o->reauthorized = false;
}

/* The time since the last event counts as a wait until not_before, then as the
   request or the wait for a token. */
void op_book(struct op *o, struct now now) {
	enum phase phase = op_phase(o);
	int64_t all = o->booked_at < now.mono ? now.mono - o->booked_at : 0;
	int64_t wait =
		o->not_before > o->booked_at ? o->not_before - o->booked_at : 0;
	wait = wait < all ? wait : all;
	if (o->deadline == NEVER)
		return; /* not started yet */
	o->spent[phase] += wait;
	o->spent[o->asking ? PHASE_TOKEN : phase] += all - wait;
	o->booked_at = now.mono;
}

void op_stop(struct op *o, enum fail_kind kind, const char *why,
             struct now now) {
	if (o->end != OP_WAIT)
		return;
	op_book(o, now);
	fail_set(&o->fail, kind, op_phase(o), why);
	op_failed(o);
}

void op_cancel(struct op *o, const char *why, struct now now) {
	bool goes_on = op_unknown(o);
	if (o->end != OP_WAIT)
		return;
	op_stop(o, FAIL_CANCELED, why, now);
	if (goes_on)
		buf_adds(&o->fail.message,
		         ": the operation continues in the service");
	else if (op_untouched(o))
		buf_adds(&o->fail.message, ": nothing was changed");
}
