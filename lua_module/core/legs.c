/* legs.c -- what an answer means: a leg a function, the answers its rows. */
#include "legs.h"

#include "opfail.h"

enum {
	MAX_ODD = 3,         /* senseless answers in a row that are borne */
	MAX_DOUBTS = 3,      /* looks at a final state that is not as asked */
	MAX_EMPTY = 100,     /* empty pages in a row */
	MAX_ROUNDS = 5,      /* of ensure against other writers */
	MISSING_FOR = 60000, /* ms a polling URL may be 404 */
	MAX_TAG = 1024,
};

/* ---- ensure ------------------------------------------------------------- */

static bool same_member(struct span asked, struct span is) {
	return !asked.p || span_eq(asked, is);
}

/* Every member that the caller named equals the resource's. */
static bool as_named(const struct op *o, const struct facts *f) {
	return span_ieq(o->spec.status, f->connection_status) &&
	       same_member(o->spec.description, f->description) &&
	       same_member(o->spec.action_required, f->action_required);
}

/* The status is the one asked for, or the answer does not show it. */
static bool as_asked(const struct op *o, const struct facts *f) {
	return o->spec.status.n == 0 || f->connection_status.n == 0 ||
	       span_ieq(o->spec.status, f->connection_status);
}

/* Found, compared: either nothing is to be done or it is written, guarded by
   the ETag it was read with. */
static void ensure_found(struct op *o, const struct reply *r,
                         const struct facts *f, struct now now) {
	enum poll_verdict v = poll_judge(POLL_RESOURCE, r, f);
	struct span tag = reply_header(r, "etag");
	o->keep = KEEP_BEFORE;
	if (v == POLL_RUNNING) { /* somebody else's update: it comes first */
		int64_t asked = http_retry_after(r, now.wall);
		op_turn(o, LEG_READ, now.mono + poll_wait(&o->poll, asked));
		return;
	}
	if (v == POLL_FINAL && as_named(o, f)) {
		o->changed |= o->ambiguous; /* so it was carried out */
		op_done(o, o->changed ? KEEP_RESULT : KEEP_BEFORE);
		return;
	}
	o->rejected = span_ieq(f->connection_status, SPAN("Rejected")) ||
	              span_ieq(f->connection_status, SPAN("Disconnected"));
	tag = tag.n > 0 ? tag : f->etag;
	if (tag.n > MAX_TAG || !http_printable(tag)) {
		opfail_protocol(o, r, "the ETag cannot be given back", tag);
		return;
	}
	buf_set(&o->etag, tag);
	if (o->etag.failed) { /* never write without the guard */
		op_stop(o, FAIL_LIMIT, "memory is short", now);
		return;
	}
	op_decided(o); /* as it is not, no earlier write will make it so */
	buf_clear(&o->word); /* it was the state before the write */
	op_turn(o, LEG_WRITE, now.mono);
}

/* Somebody wrote in between: read again and decide anew, a few times. */
static bool ensure_again(struct op *o, const struct reply *r, struct now now) {
	if (o->spec.kind != OP_ENSURE || r->error != NET_OK ||
	    r->status != 412 || o->spec.if_match.p || ++o->rounds >= MAX_ROUNDS)
		return false;
	op_turn(o, LEG_READ, now.mono);
	return true;
}

/* ---- list --------------------------------------------------------------- */

/* A page with nothing in it is legal, and no end. */
static void page(struct op *o, const struct reply *r, const struct facts *f,
                 struct now now) {
	struct buf next;
	buf_init(&next, o->cfg->mem, OP_MAX_TEXT);
	o->bad_next = false;
	if (f->next_link.n > 0)
		o->bad_next =
			!url_resolve(&next, op_request_url(o), f->next_link) ||
			!url_on(buf_span(&next), o->cfg->origins,
		                o->cfg->origin_count);
	if (o->bad_next && !next.failed)
		buf_set(&next, f->next_link); /* told after this page */
	if (next.failed) { /* the list is not to look as if it ended here */
		buf_free(&next);
		op_stop(o, FAIL_LIMIT,
		        "the link to the next page is longer than it may be, "
		        "or memory is short",
		        now);
		return;
	}
	buf_move(&o->next, &next);
	buf_free(&next);
	o->empty = f->empty_page ? o->empty + 1 : 0;
	if (f->empty_page && o->bad_next)
		opfail_next(o);
	else if (o->empty > MAX_EMPTY)
		opfail_protocol(o, r, "page after page is empty", NO_SPAN);
	else if (f->empty_page && o->next.n > 0)
		op_turn(o, LEG_READ, now.mono);
	else
		op_done(o, KEEP_RESULT);
}

/* ---- the legs: what an answer means ------------------------------------- */

/* A final state that is not what was asked for may be an old copy: look again
   before it is believed.  No word of success proves it any longer. */
static void doubt(struct op *o, const struct reply *r, const struct facts *f,
                  struct now now) {
	struct buf *m = &o->fail.message;
	o->proven = false;
	if (++o->doubts < MAX_DOUBTS) {
		int64_t asked = http_retry_after(r, now.wall);
		op_turn(o, LEG_FINAL, now.mono + poll_wait(&o->poll, asked));
		return;
	}
	op_decided(o);
	fail_set(&o->fail, FAIL_OPERATION, PHASE_RESULT,
	         "the operation is over, but the connection is ");
	fail_add(&o->fail, f->connection_status);
	buf_adds(m, " and not ");
	buf_add(m, o->spec.status);
	o->fail.http_status = r->status;
	op_failed(o);
}

/* The resource in its final state. */
static void final(struct op *o, const struct reply *r, const struct facts *f,
                  struct now now) {
	if (as_asked(o, f))
		op_done(o, KEEP_RESULT);
	else
		doubt(o, r, f, now);
}

static void fed_read(struct op *o, const struct reply *r, const struct facts *f,
                     struct now now) {
	if (r->error != NET_OK || r->status >= 300) {
		opfail_reply(o, r, f, now);
	} else if (r->status != 200 || !f->json ||
	           (o->spec.kind == OP_LIST && !f->page)) {
		opfail_protocol(o, r, "the answer is not a JSON object",
		                buf_span(&r->body));
	} else if (o->spec.kind == OP_LIST) {
		page(o, r, f, now);
	} else if (!f->resource) {
		opfail_protocol(o, r, "the answer is not a resource",
		                buf_span(&r->body));
	} else if (o->spec.kind == OP_GET) {
		op_done(o, KEEP_RESULT);
	} else {
		ensure_found(o, r, f, now);
	}
}

static void settle(struct op *o, const struct reply *r, const struct facts *f,
                   struct now now) {
	opfail_describe(o, fail_kind_of(r->status), r, f, now);
	op_turn(o, LEG_SETTLE, now.mono);
}

/* The write was refused, or never got an answer. */
static void refused(struct op *o, const struct reply *r, const struct facts *f,
                    struct now now) {
	if (ensure_again(o, r, now))
		return;
	if (o->ambiguous) {
		if (o->spec.kind == OP_DELETE && r->status == 404)
			op_done(o, KEEP_NOTHING);
		else
			settle(o, r, f, now);
		return;
	}
	opfail_reply(o, r, f, now);
}

/* 200 or 201: the resource as it is now, which may still be on its way. */
static void written(struct op *o, const struct reply *r, const struct facts *f,
                    struct now now) {
	enum poll_verdict v = poll_judge(POLL_RESOURCE, r, f);
	bool followed;
	poll_follow(&o->poll, r, o->spec.url, o->cfg->origins,
	            o->cfg->origin_count);
	o->untrusted |= o->poll.untrusted;
	followed = o->poll.source != POLL_RESOURCE;
	if (v == POLL_FAILED || v == POLL_CANCELED)
		opfail_operation(o, r, f, v, now);
	else if (v == POLL_RUNNING ||
	         (followed && (v == POLL_ODD || !as_asked(o, f))))
		op_poll_at(o, r, now);
	else if (o->spec.kind == OP_DELETE)
		op_done(o, KEEP_NOTHING);
	else if (v == POLL_FINAL)
		final(o, r, f, now);
	else {
		o->proven = v == POLL_SUCCEEDED;
		op_turn(o, LEG_FINAL, now.mono);
	}
}

static void fed_write(struct op *o, const struct reply *r,
                      const struct facts *f, struct now now) {
	if (r->error != NET_OK || r->status < 200 || r->status >= 300) {
		refused(o, r, f, now);
		return;
	}
	o->accepted = o->changed = true;
	if (r->status == 202) {
		poll_follow(&o->poll, r, o->spec.url, o->cfg->origins,
		            o->cfg->origin_count);
		o->untrusted |= o->poll.untrusted;
		op_poll_at(o, r, now);
	} else if (r->status == 200 || r->status == 201) {
		written(o, r, f, now);
	} else if (o->spec.kind == OP_DELETE && r->status == 204) {
		op_done(o, KEEP_NOTHING);
	} else { /* 204, or a 2xx that nobody promised: the resource tells */
		op_turn(o, LEG_FINAL, now.mono);
	}
}

/* A polling URL may be unknown for a while after the start (eventual
   consistency), or go with the resource that a DELETE removes. */
static void missing(struct op *o, const struct reply *r, const struct facts *f,
                    struct now now) {
	bool resource = o->poll.source == POLL_RESOURCE;
	if (o->missing_since < 0)
		o->missing_since = now.mono;
	if (o->spec.kind == OP_DELETE && resource) {
		op_done(o, KEEP_NOTHING);
	} else if (o->spec.kind == OP_DELETE) {
		poll_resource(&o->poll);
		op_turn(o, LEG_POLL, now.mono);
	} else if (now.mono - o->missing_since < MISSING_FOR) {
		op_poll_at(o, r, now);
	} else if (!resource) {
		o->missing_since = -1;
		poll_resource(&o->poll);
		op_turn(o, LEG_POLL, now.mono);
	} else {
		opfail_reply(o, r, f, now);
	}
}

bool legs_is_result(const struct op *o, const struct reply *r,
                    const struct facts *f) {
	bool location =
		o->poll.source == POLL_LOCATION || o->poll.source == POLL_BOTH;
	return o->leg == LEG_POLL && location && r->error == NET_OK &&
	       f->error &&
	       (r->status == 400 || r->status == 409 || r->status == 412);
}

static void poll_refused(struct op *o, const struct reply *r,
                         const struct facts *f, struct now now) {
	if (legs_is_result(o, r, f))
		opfail_operation(o, r, f, POLL_FAILED, now);
	else /* only the reading failed */
		opfail_reply(o, r, f, now);
}

static void poll_over(struct op *o, const struct reply *r,
                      const struct facts *f, enum poll_verdict v,
                      enum poll_source source, struct now now) {
	if (v == POLL_FAILED || v == POLL_CANCELED) {
		opfail_operation(o, r, f, v, now);
	} else if (o->spec.kind == OP_DELETE) {
		if (v == POLL_FINAL && source == POLL_RESOURCE)
			op_poll_at(o, r, now); /* it is still there */
		else
			op_done(o, KEEP_NOTHING);
	} else if (v == POLL_FINAL) {
		final(o, r, f, now);
	} else {
		o->proven = v == POLL_SUCCEEDED;
		op_turn(o, LEG_FINAL, now.mono);
	}
}

static void fed_poll(struct op *o, const struct reply *r, const struct facts *f,
                     struct now now) {
	enum poll_source source = o->poll.source;
	enum poll_verdict v;
	if (r->error == NET_OK && r->status == 404) {
		missing(o, r, f, now);
		return;
	}
	o->missing_since = -1;
	if (r->error != NET_OK || r->status < 200 || r->status >= 300) {
		poll_refused(o, r, f, now);
		return;
	}
	v = poll_judge(source, r, f);
	o->odd = v == POLL_ODD ? o->odd + 1 : 0;
	if (v == POLL_RUNNING || v == POLL_ODD) {
		poll_follow(&o->poll, r, op_request_url(o), o->cfg->origins,
		            o->cfg->origin_count);
		o->untrusted |= o->poll.untrusted;
	}
	if (o->odd >= MAX_ODD)
		opfail_protocol(o, r, "the polls' answers make no sense",
		                buf_span(&r->body));
	else if (v == POLL_RUNNING || v == POLL_ODD)
		op_poll_at(o, r, now);
	else
		poll_over(o, r, f, v, source, now);
}

static void fed_final(struct op *o, const struct reply *r,
                      const struct facts *f, struct now now) {
	enum poll_verdict v = POLL_ODD;
	if (r->error == NET_OK && r->status == 200 && f->resource)
		v = poll_judge(POLL_RESOURCE, r, f);
	if (v == POLL_FINAL) {
		final(o, r, f, now);
	} else if (v == POLL_RUNNING) { /* eventual consistency */
		poll_resource(&o->poll);
		op_poll_at(o, r, now);
	} else if (v == POLL_FAILED || v == POLL_CANCELED) {
		opfail_operation(o, r, f, v, now);
	} else if (o->proven) {
		op_done(o, KEEP_NOTHING);
	} else if (r->error != NET_OK || r->status >= 300) {
		opfail_reply(o, r, f, now);
	} else {
		opfail_protocol(o, r, "the answer is not a connection",
		                buf_span(&r->body));
	}
}

/* The write's own failure stands in o->fail; only the resource may undo it. */
static void fed_settle(struct op *o, const struct reply *r,
                       const struct facts *f, struct now now) {
	enum poll_verdict v = POLL_ODD;
	bool gone = r->error == NET_OK && r->status == 404;
	if (r->error == NET_OK && r->status == 200 && f->resource)
		v = poll_judge(POLL_RESOURCE, r, f);
	if (v == POLL_RUNNING) {
		op_turn(o, LEG_SETTLE,
		        now.mono + poll_wait(&o->poll,
		                             http_retry_after(r, now.wall)));
	} else if (o->spec.kind == OP_DELETE && gone) {
		op_done(o, KEEP_NOTHING);
	} else if (o->spec.kind != OP_DELETE && v == POLL_FINAL &&
	           as_named(o, f)) {
		o->changed = true;
		op_done(o, KEEP_RESULT);
	} else {
		int status = o->fail.http_status;
		if (v == POLL_FINAL &&
		    (status == 400 || status == 409 || status == 412))
			op_decided(
				o); /* the try that was answered is the end */
		op_failed(o);
	}
}

void legs_judge(struct op *o, const struct reply *r, const struct facts *f,
                struct now now) {
	switch (o->leg) {
	case LEG_READ:
		fed_read(o, r, f, now);
		break;
	case LEG_WRITE:
		fed_write(o, r, f, now);
		break;
	case LEG_POLL:
		fed_poll(o, r, f, now);
		break;
	case LEG_FINAL:
		fed_final(o, r, f, now);
		break;
	case LEG_SETTLE:
		fed_settle(o, r, f, now);
		break;
	}
}
