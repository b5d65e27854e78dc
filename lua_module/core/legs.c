/* legs.c -- what an answer means: a leg a function, the answers its rows. */
#include "legs.h"

#include "op_list.h"
#include "opfail.h"

enum {
	MAX_ODD = 3,         /* senseless answers in a row that are borne */
	MAX_DOUBTS = 3,      /* looks at a final state that is not as asked */
	MAX_ROUNDS = 5,      /* of ensure against other writers */
	MISSING_FOR = 60000, /* ms a polling URL may be 404 */
	MAX_TAG = 1024,
};

/* ---- ensure ------------------------------------------------------------- */

static bool same_member(struct span asked, struct span is) {
	return !asked.p || span_eq(asked, is);
}

/* Every member that the caller named equals the resource's. */
static bool as_named(const struct op *o, const struct answer *a) {
	return span_ieq(o->spec.status, resource_of(a)->connection_status) &&
	       same_member(o->spec.description, resource_of(a)->description) &&
	       same_member(o->spec.action_required,
	                   resource_of(a)->action_required);
}

/* The status is the one asked for, or the answer does not show it. */
static bool as_asked(const struct op *o, const struct answer *a) {
	return o->spec.status.n == 0 ||
	       resource_of(a)->connection_status.n == 0 ||
	       span_ieq(o->spec.status, resource_of(a)->connection_status);
}

/* Found, compared: either nothing is to be done or it is written, guarded by
   the ETag it was read with. */
static void ensure_found(struct op *o, const struct answer *a) {
	enum poll_verdict v = poll_judge(POLL_RESOURCE, a);
	struct span tag = reply_header(a->http, "etag");
	o->keep = KEEP_BEFORE;
	if (v == POLL_RUNNING) { /* somebody else's update: it comes first */
		int64_t asked = http_retry_after(a->http, a->at.wall);
		op_turn(o, LEG_READ, a->at.mono + poll_wait(&o->poll, asked));
		return;
	}
	if (v == POLL_FINAL && as_named(o, a)) {
		o->changed |= o->ambiguous; /* so it was carried out */
		op_done(o, o->changed ? KEEP_RESULT : KEEP_BEFORE);
		return;
	}
	o->rejected =
		span_ieq(resource_of(a)->connection_status, SPAN("Rejected")) ||
		span_ieq(resource_of(a)->connection_status,
	                 SPAN("Disconnected"));
	tag = tag.n > 0 ? tag : resource_of(a)->etag;
	if (tag.n > MAX_TAG || !http_printable(tag)) {
		opfail_protocol(o, a, "the ETag cannot be given back", tag);
		return;
	}
	buf_set(&o->etag, tag);
	if (o->etag.failed) { /* never write without the guard */
		op_stop(o, FAIL_LIMIT, "memory is short", a->at);
		return;
	}
	op_decided(o); /* as it is not, no earlier write will make it so */
	buf_clear(&o->word); /* it was the state before the write */
	op_turn(o, LEG_WRITE, a->at.mono);
}

/* Somebody wrote in between: read again and decide anew, a few times. */
static bool ensure_again(struct op *o, const struct answer *a) {
	if (o->spec.kind != OP_ENSURE || a->http->error != NET_OK ||
	    a->http->status != 412 || o->spec.if_match.p ||
	    ++o->rounds >= MAX_ROUNDS)
		return false;
	op_turn(o, LEG_READ, a->at.mono);
	return true;
}

/* ---- the legs: what an answer means ------------------------------------- */

/* A final state that is not what was asked for may be an old copy: look again
   before it is believed.  No word of success proves it any longer. */
static void doubt(struct op *o, const struct answer *a) {
	struct buf *m = &o->fail.message;
	o->proven = false;
	if (++o->doubts < MAX_DOUBTS) {
		int64_t asked = http_retry_after(a->http, a->at.wall);
		op_turn(o, LEG_FINAL, a->at.mono + poll_wait(&o->poll, asked));
		return;
	}
	op_decided(o);
	fail_set(&o->fail, FAIL_OPERATION, PHASE_RESULT,
	         "the operation is over, but the connection is ");
	fail_add(&o->fail, resource_of(a)->connection_status);
	buf_adds(m, " and not ");
	buf_add(m, o->spec.status);
	o->fail.http_status = a->http->status;
	op_failed(o);
}

/* The resource in its final state. */
static void final(struct op *o, const struct answer *a) {
	if (as_asked(o, a))
		op_done(o, KEEP_RESULT);
	else
		doubt(o, a);
}

/* An error that came with a 200. */
static bool error_only(const struct answer *a) {
	return a->facts.error && a->facts.document != DOCUMENT_PAGE &&
	       !resource_of(a)->is_resource;
}

static void fed_read(struct op *o, const struct answer *a) {
	if (a->http->error != NET_OK || a->http->status >= 300 ||
	    error_only(a)) {
		opfail_reply(o, a);
	} else if (a->http->status != 200 || !a->facts.json ||
	           (o->spec.kind == OP_LIST &&
	            a->facts.document != DOCUMENT_PAGE)) {
		opfail_protocol(o, a, "the answer is not a JSON object",
		                buf_span(&a->http->body));
	} else if (o->spec.kind == OP_LIST) {
		op_list_page(o, a);
	} else if (!resource_of(a)->is_resource) {
		opfail_protocol(o, a, "the answer is not a resource",
		                buf_span(&a->http->body));
	} else if (o->spec.kind == OP_GET) {
		op_done(o, KEEP_RESULT);
	} else {
		ensure_found(o, a);
	}
}

static void settle(struct op *o, const struct answer *a) {
	opfail_describe(o, fail_kind_of(a->http->status), a);
	op_turn(o, LEG_SETTLE, a->at.mono);
}

/* The write was refused, or never got an answer. */
static void refused(struct op *o, const struct answer *a) {
	if (ensure_again(o, a))
		return;
	if (o->ambiguous) {
		if (o->spec.kind == OP_DELETE && a->http->status == 404)
			op_done(o, KEEP_NOTHING);
		else
			settle(o, a);
		return;
	}
	opfail_reply(o, a);
}

/* 200 or 201: the resource as it is now, which may still be on its way. */
static void written(struct op *o, const struct answer *a) {
	enum poll_verdict v = poll_judge(POLL_RESOURCE, a);
	bool followed;
	poll_follow(&o->poll, a->http, o->spec.url, o->cfg->origins,
	            o->cfg->origin_count);
	o->untrusted |= o->poll.untrusted;
	followed = o->poll.source != POLL_RESOURCE;
	if (v == POLL_FAILED || v == POLL_CANCELED)
		opfail_operation(o, a, v);
	else if (v == POLL_RUNNING ||
	         (followed && (v == POLL_ODD || !as_asked(o, a))))
		op_poll_at(o, a);
	else if (o->spec.kind == OP_DELETE)
		op_done(o, KEEP_NOTHING);
	else if (v == POLL_FINAL)
		final(o, a);
	else {
		o->proven = v == POLL_SUCCEEDED;
		op_turn(o, LEG_FINAL, a->at.mono);
	}
}

static void fed_write(struct op *o, const struct answer *a) {
	if (a->http->error != NET_OK || a->http->status < 200 ||
	    a->http->status >= 300) {
		refused(o, a);
		return;
	}
	o->accepted = o->changed = true;
	if (a->http->status == 202) {
		poll_follow(&o->poll, a->http, o->spec.url, o->cfg->origins,
		            o->cfg->origin_count);
		o->untrusted |= o->poll.untrusted;
		op_poll_at(o, a);
	} else if (a->http->status == 200 || a->http->status == 201) {
		written(o, a);
	} else if (o->spec.kind == OP_DELETE && a->http->status == 204) {
		op_done(o, KEEP_NOTHING);
	} else { /* 204, or a 2xx that nobody promised: the resource tells */
		op_turn(o, LEG_FINAL, a->at.mono);
	}
}

/* A polling URL may be unknown for a while after the start (eventual
   consistency), or go with the resource that a DELETE removes. */
static void missing(struct op *o, const struct answer *a) {
	bool resource = o->poll.source == POLL_RESOURCE;
	if (o->missing_since < 0)
		o->missing_since = a->at.mono;
	if (o->spec.kind == OP_DELETE && resource) {
		op_done(o, KEEP_NOTHING);
	} else if (o->spec.kind == OP_DELETE) {
		poll_resource(&o->poll);
		op_turn(o, LEG_POLL, a->at.mono);
	} else if (a->at.mono - o->missing_since < MISSING_FOR) {
		op_poll_at(o, a);
	} else if (!resource) {
		o->missing_since = -1;
		poll_resource(&o->poll);
		op_turn(o, LEG_POLL, a->at.mono);
	} else {
		opfail_reply(o, a);
	}
}

bool legs_is_result(const struct op *o, const struct answer *a) {
	bool location =
		o->poll.source == POLL_LOCATION || o->poll.source == POLL_BOTH;
	return o->leg == LEG_POLL && location && a->http->error == NET_OK &&
	       a->facts.error &&
	       (a->http->status == 400 || a->http->status == 409 ||
	        a->http->status == 412);
}

static void poll_refused(struct op *o, const struct answer *a) {
	if (legs_is_result(o, a))
		opfail_operation(o, a, POLL_FAILED);
	else /* only the reading failed */
		opfail_reply(o, a);
}

static void poll_over(struct op *o, const struct answer *a, enum poll_verdict v,
                      enum poll_source source) {
	if (v == POLL_FAILED || v == POLL_CANCELED) {
		opfail_operation(o, a, v);
	} else if (o->spec.kind == OP_DELETE) {
		if (v == POLL_FINAL && source == POLL_RESOURCE)
			op_poll_at(o, a); /* it is still there */
		else
			op_done(o, KEEP_NOTHING);
	} else if (v == POLL_FINAL) {
		final(o, a);
	} else {
		o->proven = v == POLL_SUCCEEDED;
		op_turn(o, LEG_FINAL, a->at.mono);
	}
}

static void fed_poll(struct op *o, const struct answer *a) {
	enum poll_source source = o->poll.source;
	enum poll_verdict v;
	if (a->http->error == NET_OK && a->http->status == 404) {
		missing(o, a);
		return;
	}
	o->missing_since = -1;
	if (a->http->error != NET_OK || a->http->status < 200 ||
	    a->http->status >= 300) {
		poll_refused(o, a);
		return;
	}
	v = poll_judge(source, a);
	o->odd = v == POLL_ODD ? o->odd + 1 : 0;
	if (v == POLL_RUNNING || v == POLL_ODD) {
		poll_follow(&o->poll, a->http, op_request_url(o),
		            o->cfg->origins, o->cfg->origin_count);
		o->untrusted |= o->poll.untrusted;
	}
	if (o->odd >= MAX_ODD)
		opfail_protocol(o, a, "the polls' answers make no sense",
		                buf_span(&a->http->body));
	else if (v == POLL_RUNNING || v == POLL_ODD)
		op_poll_at(o, a);
	else
		poll_over(o, a, v, source);
}

static void fed_final(struct op *o, const struct answer *a) {
	enum poll_verdict v = POLL_ODD;
	if (a->http->error == NET_OK && a->http->status == 200 &&
	    resource_of(a)->is_resource)
		v = poll_judge(POLL_RESOURCE, a);
	if (v == POLL_FINAL) {
		final(o, a);
	} else if (v == POLL_RUNNING) { /* eventual consistency */
		poll_resource(&o->poll);
		op_poll_at(o, a);
	} else if (v == POLL_FAILED || v == POLL_CANCELED) {
		opfail_operation(o, a, v);
	} else if (o->proven) {
		op_done(o, KEEP_NOTHING);
	} else if (a->http->error != NET_OK || a->http->status >= 300) {
		opfail_reply(o, a);
	} else {
		opfail_protocol(o, a, "the answer is not a connection",
		                buf_span(&a->http->body));
	}
}

/* The write's own failure stands in o->fail; only the resource may undo it. */
static void fed_settle(struct op *o, const struct answer *a) {
	enum poll_verdict v = POLL_ODD;
	bool gone = a->http->error == NET_OK && a->http->status == 404;
	if (a->http->error == NET_OK && a->http->status == 200 &&
	    resource_of(a)->is_resource)
		v = poll_judge(POLL_RESOURCE, a);
	if (v == POLL_RUNNING) {
		op_turn(o, LEG_SETTLE,
		        a->at.mono + poll_wait(&o->poll,
		                               http_retry_after(a->http,
		                                                a->at.wall)));
	} else if (o->spec.kind == OP_DELETE && gone) {
		op_done(o, KEEP_NOTHING);
	} else if (o->spec.kind != OP_DELETE && v == POLL_FINAL &&
	           as_named(o, a)) {
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

void legs_judge(struct op *o, const struct answer *a) {
	switch (o->leg) {
	case LEG_READ:
		fed_read(o, a);
		break;
	case LEG_WRITE:
		fed_write(o, a);
		break;
	case LEG_POLL:
		fed_poll(o, a);
		break;
	case LEG_FINAL:
		fed_final(o, a);
		break;
	case LEG_SETTLE:
		fed_settle(o, a);
		break;
	}
}
