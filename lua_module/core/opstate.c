/* opstate.c -- the few ways an operation's state changes. */
#include "opstate.h"

bool op_writes(const struct op *o) {
	return o->spec.kind != OP_GET && o->spec.kind != OP_LIST &&
	       o->spec.kind != OP_IDENTITY;
}

bool op_unknown(const struct op *o) {
	return op_writes(o) &&
	       (o->known == KNOWN_DOUBTFUL || o->known == KNOWN_ACCEPTED ||
	        (o->in_flight && o->leg == LEG_WRITE));
}

enum phase op_phase(const struct op *o) {
	if (o->spec.kind == OP_IDENTITY)
		return PHASE_TOKEN;
	switch (o->leg) {
	case LEG_READ:
	case LEG_WRITE:
		return PHASE_REQUEST;
	case LEG_POLL:
	case LEG_WATCH:
		return PHASE_POLL;
	default:
		return PHASE_RESULT;
	}
}

struct span op_request_url(const struct op *o) {
	if (o->leg == LEG_POLL)
		return buf_span(&o->poll.url);
	return o->next.n > 0 ? buf_span(&o->next) : o->spec.url;
}

/* ---- endings and turns -------------------------------------------------- */

void op_begin_message(struct op *o, const char *text) {
	struct buf said;
	buf_init(&said, o->cfg->mem, OP_MAX_TEXT);
	buf_move(&said, &o->fail.message);
	buf_adds(&o->fail.message, text);
	buf_add(&o->fail.message, buf_span(&said));
	buf_free(&said);
}

/* The answer that ends it refused a later try. */
static bool refused_later(const struct op *o) {
	int status = o->fail.http_status;
	return o->known == KNOWN_DOUBTFUL && status >= 400 && status < 500 &&
	       status != 408;
}

/* No answer after the write's own tells how it ended; a time-out and a
   cancellation say so themselves. */
static bool end_unread(const struct op *o) {
	return op_writes(o) && o->known == KNOWN_ACCEPTED &&
	       o->fail.phase != PHASE_REQUEST && o->fail.kind != FAIL_TIMEOUT &&
	       o->fail.kind != FAIL_CANCELED;
}

/* Adds what is not known of the write. */
static void add_unknown(struct op *o) {
	if (end_unread(o))
		op_begin_message(o,
		                 "accepted, but its end could not be read: ");
	if (refused_later(o))
		buf_adds(&o->fail.message, "; an earlier try was not answered "
		                           "and may have been carried out");
}

void op_failed(struct op *o) {
	add_unknown(o);
	buf_set(&o->fail.request_id, buf_span(&o->request_id));
	buf_set(&o->fail.correlation_id, buf_span(&o->correlation_id));
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

uint32_t op_draw(struct op *o) { /* xorshift32: no secret */
	o->random ^= o->random << 13;
	o->random ^= o->random >> 17;
	o->random ^= o->random << 5;
	return o->random;
}

/* Books the time since the last happening: first the wait that was due, then
   the request, or the wait for a token. */
void op_book(struct op *o, struct now now) {
	enum phase phase = op_phase(o);
	int64_t all = o->mark < now.mono ? now.mono - o->mark : 0;
	int64_t wait = o->not_before > o->mark ? o->not_before - o->mark : 0;
	wait = wait < all ? wait : all;
	if (o->deadline == NEVER)
		return; /* it has not begun */
	o->spent[phase] += wait;
	o->spent[o->asking ? PHASE_TOKEN : phase] += all - wait;
	o->mark = now.mono;
}

void op_stop(struct op *o, enum fail_kind kind, const char *why,
             struct now now) {
	if (o->end != OP_WAIT)
		return;
	if (o->deadline != NEVER)
		op_book(o, now);
	fail_set(&o->fail, kind, op_phase(o), why);
	op_failed(o);
}
