/* op.c -- the conversation: which request comes next, when, and when it is
   over. */
#include "op.h"

#include "op_read.h"
#include "op_rules.h"
#include "opfail.h"

enum {
	MAX_WORD = 256,
	SLACK = 200,     /* ms: our deadline comes before libcurl's */
	HEAD_ROOM = 512, /* bytes: what most requests' heads take */
};

/* ---- birth and death ---------------------------------------------------- */

static void adopt(struct op *o, struct span *s) {
	struct span copy = { o->text.p + o->text.n, s->n };
	if (!s->p)
		return;
	buf_add(&o->text, *s);
	*s = copy;
}

/* One block for all strings: ten thousand operations may wait at once. */
static bool copy_spec(struct op *o) {
	struct op_spec *s = &o->spec;
	struct span *all[] = { &s->url,
		               &s->id,
		               &s->api_version,
		               &s->body,
		               &s->status,
		               &s->description,
		               &s->action_required,
		               &s->if_match,
		               &s->client_request_id,
		               &s->traceparent };
	size_t n = 0;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		n += all[i]->n;
	if (!buf_reserve(&o->text, n))
		return false;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		adopt(o, all[i]);
	return true;
}

static enum op_leg first_leg(enum op_kind kind) {
	return kind == OP_UPDATE || kind == OP_DELETE ? LEG_WRITE : LEG_READ;
}

bool op_init(struct op *o, const struct op_config *cfg,
             const struct op_spec *spec) {
	*o = (struct op){ .cfg = cfg,
		          .spec = *spec,
		          .leg = first_leg(spec->kind),
		          .end = OP_WAIT,
		          .percent = -1,
		          .time = spec->timeout,
		          .deadline = NEVER,
		          .missing_since = -1,
		          .random = spec->seed | 1 };
	buf_init(&o->text, cfg->mem, OP_MAX_TEXT);
	buf_init(&o->etag, cfg->mem, OP_MAX_TEXT);
	buf_init(&o->claims, cfg->mem, OP_MAX_TEXT);
	buf_init(&o->word, cfg->mem, MAX_WORD);
	buf_init(&o->shown, cfg->mem, MAX_WORD);
	buf_init(&o->next, cfg->mem, OP_MAX_TEXT);
	buf_init(&o->pages, cfg->mem, OP_MAX_TEXT);
	buf_init(&o->request_id, cfg->mem, MAX_WORD);
	buf_init(&o->correlation_id, cfg->mem, MAX_WORD);
	poll_init(&o->poll, cfg->mem, spec->poll_interval);
	fail_init(&o->fail, cfg->mem);
	return copy_spec(o);
}

void op_free(struct op *o) {
	buf_free(&o->text);
	buf_free(&o->etag);
	buf_free(&o->claims);
	buf_free(&o->word);
	buf_free(&o->shown);
	buf_free(&o->next);
	buf_free(&o->pages);
	buf_free(&o->request_id);
	buf_free(&o->correlation_id);
	poll_free(&o->poll);
	fail_free(&o->fail);
}

/* ---- small questions ---------------------------------------------------- */

static bool over(const struct op *o) {
	return o->end == OP_DONE || o->end == OP_FAIL;
}

/* "1.5 s": no more digits than there are. */
static void add_seconds(struct buf *out, int64_t ms) {
	int64_t rest = ms % 1000;
	buf_addint(out, ms / 1000);
	if (rest > 0)
		buf_addc(out, '.');
	for (int64_t unit = 100; rest > 0; unit /= 10) {
		buf_addint(out, rest / unit);
		rest %= unit;
	}
	buf_adds(out, " s");
}

/* The deadline: says what is known. */
static void expire(struct op *o, struct now now) {
	struct buf last, *m = &o->fail.message;
	const char *hint = o->fail.hint;
	bool unread = o->leg == LEG_CONFIRM && o->said == SAID_OVER;
	op_book(o, now);
	buf_init(&last, o->cfg->mem, OP_MAX_TEXT);
	buf_move(&last, m);
	fail_set(&o->fail, FAIL_TIMEOUT, o->asking ? PHASE_TOKEN : op_phase(o),
	         unread ? "the operation has ended well, but the connection "
	                  "was not seen so within "
	                : "no end within ");
	add_seconds(m, o->spec.timeout);
	if (o->word.n > 0) {
		buf_adds(m, "; the service's last word: ");
		fail_add(&o->fail, buf_span(&o->word));
	}
	if (o->shown.n > 0) {
		buf_adds(m, "; the connection's last status: ");
		fail_add(&o->fail, buf_span(&o->shown));
	}
	if (last.n > 0) {
		buf_adds(m, "; last problem: ");
		buf_add(m, buf_span(&last));
		o->fail.hint = hint;
	}
	if (o->untrusted) {
		buf_adds(m, "; the polling URL is on an origin that is not "
		            "trusted and was not asked");
		if (!o->fail.hint)
			o->fail.hint = "trusted_origins names the origins that "
				       "may be asked besides the endpoint";
	}
	buf_free(&last);
	o->fail.retryable = true;
	op_failed(o);
}

/* ---- what happened ------------------------------------------------------ */

static bool broken_json(const struct answer *a) {
	struct span type = reply_header(a->http, "content-type");
	return a->facts.broken &&
	       (span_istarts(type, SPAN("application/json")) ||
	        span_istarts(type, SPAN("text/json")));
}

/* Until the end is known it keeps reading up to the deadline: that an answer
   could not be read says nothing of the operation. */
static bool goes_on(const struct op *o) {
	return o->leg == LEG_POLL || o->leg == LEG_WATCH ||
	       o->leg == LEG_CONFIRM;
}

/* ms until the same request is sent again; -1: it is not. */
static int64_t pause_for(struct op *o, const struct answer *a) {
	const struct retry_policy *p = &o->cfg->retry;
	int64_t asked = -1, pause;
	if (a->http->error == NET_OK)
		asked = http_retry_after(a->http, a->at.wall);
	if (!goes_on(o))
		return retry_delay(p, o->tries, asked, op_draw(o));
	if (asked > 0)
		return poll_wait(&o->poll, asked);
	pause = retry_backoff(p, o->tries, op_draw(o));
	return pause > POLL_FLOOR ? pause : POLL_FLOOR;
}

/* Could the same request, sent again, tell more? */
static bool is_passing(const struct op *o, const struct answer *a) {
	bool looks = o->leg == LEG_READ || o->leg == LEG_SETTLE;
	if (o->leg == LEG_WRITE && retry_ambiguous(a->http))
		return false; /* looked at first */
	if (looks && a->http->error == NET_OK && a->http->status == 200 &&
	    broken_json(a))
		return true; /* cut off */
	if (o->leg == LEG_SETTLE && a->http->status == 404)
		return meaning_of(o, a) == ODD; /* not the service's 404 */
	if (!retry_worthwhile(&o->cfg->retry, a->http, a->facts.code))
		return false;
	return o->leg != LEG_POLL || meaning_of(o, a) == UNHEARD;
}

/* Shall the same request be sent again? */
static bool again(struct op *o, const struct answer *a) {
	int64_t pause;
	bool late;
	if (a->http->error == NET_TIMEOUT && a->at.mono >= o->deadline)
		return true; /* in a long step libcurl's clock was seen first */
	o->tries++;
	if (!is_passing(o, a))
		return false;
	pause = pause_for(o, a);
	late = pause >= 0 && a->at.mono + pause >= o->deadline;
	if (pause < 0 || (late && !goes_on(o)))
		return false;
	if (o->leg != LEG_SETTLE && a->http->status != 200)
		opfail_describe(o, fail_kind_of(a->http->status), a);
	o->not_before = a->at.mono + pause;
	if (late && o->leg == LEG_POLL) /* one look is better than none */
		op_move(o, LEG_WATCH, a->at.mono);
	return true;
}

/* 401: one new token, with the challenge's claims if it has any. */
static void unauthorized(struct op *o, uint32_t generation,
                         const struct answer *a) {
	if (o->leg != LEG_SETTLE)
		opfail_describe(o, FAIL_CREDENTIAL, a);
	if (o->reauthorized) {
		op_failed(o);
		return;
	}
	o->reauthorized = true;
	o->refused = generation;
	http_claims(a->http, &o->claims);
}

/* What every answer tells beside its meaning. */
static void note(struct op *o, const struct answer *a) {
	struct span id = reply_header(a->http, "x-ms-request-id");
	struct span correlation =
		reply_header(a->http, "x-ms-correlation-request-id");
	if (id.n > 0)
		opfail_note(o, &o->request_id, id);
	if (correlation.n > 0)
		opfail_note(o, &o->correlation_id, correlation);
	if (resource_of(a)->status.n > 0)
		opfail_note(o, &o->word, resource_of(a)->status);
	else if (resource_of(a)->provisioning_state.n > 0)
		opfail_note(o, &o->word, resource_of(a)->provisioning_state);
	if (span_ieq(resource_of(a)->id, o->spec.id) &&
	    resource_of(a)->connection_status.n > 0)
		opfail_note(o, &o->shown, resource_of(a)->connection_status);
	if (resource_of(a)->percent >= 0)
		o->percent = resource_of(a)->percent;
}

void op_unsent(struct op *o) {
	o->in_flight = false;
}

void op_feed(struct op *o, const struct answer *a) {
	uint32_t generation = o->token;
	o->keep = KEEP_NOTHING;
	if (over(o) || !o->in_flight)
		return;
	op_book(o, a->at);
	o->in_flight = false;
	o->token = 0;
	note(o, a);
	if (o->leg == LEG_WRITE && retry_ambiguous(a->http))
		o->known = KNOWN_DOUBTFUL;
	if (a->http->error == NET_OK && a->http->status == 401) {
		unauthorized(o, generation, a);
		return;
	}
	if (o->leg != LEG_SETTLE && o->leg != LEG_WATCH)
		buf_clear(&o->fail.message); /* an older problem is over */
	if (again(o, a))
		return;
	if (o->spec.kind == OP_GET || o->spec.kind == OP_LIST)
		op_read(o, a);
	else
		op_judge(o, a);
}

void op_grant(struct op *o, uint32_t generation, struct now now) {
	if (over(o))
		return;
	op_book(o, now);
	o->token = generation;
	o->asking = false;
	o->refused = 0;
	buf_free(&o->claims);
}

/* After a 401 its own words matter more than why no new token came; and what
   was to be settled is not forgotten. */
void op_no_token(struct op *o, const struct fail *why, struct now now) {
	struct buf before, *m = &o->fail.message;
	if (over(o))
		return;
	op_book(o, now);
	buf_init(&before, o->cfg->mem, OP_MAX_TEXT);
	if (o->leg == LEG_SETTLE)
		buf_move(&before, m);
	if (o->refused) {
		buf_adds(m, m->n > 0 ? "; " : "");
		buf_add(m, buf_span(&why->message));
		if (why->hint && !opfail_advised(o))
			o->fail.hint = why->hint;
	} else {
		fail_copy(&o->fail, why);
		o->fail.phase = PHASE_TOKEN;
	}
	if (before.n > 0) {
		buf_adds(m, "; before that: ");
		buf_add(m, buf_span(&before));
	}
	buf_free(&before);
	if (!o->refused && o->request_id.n == 0)
		buf_set(&o->request_id, buf_span(&why->request_id));
	if (!o->refused && o->correlation_id.n == 0)
		buf_set(&o->correlation_id, buf_span(&why->correlation_id));
	op_failed(o);
}

/* ---- what it wants ------------------------------------------------------ */

static void optional_header(struct request *q, const char *name,
                            struct span value) {
	if (value.p)
		request_header(q, name, value);
}

static void build(const struct op *o, struct now now, struct request *q) {
	int64_t left = o->deadline - now.mono;
	bool patch = o->leg == LEG_WRITE && o->spec.kind != OP_DELETE;
	q->method = o->leg != LEG_WRITE ? HTTP_GET
	            : patch             ? HTTP_PATCH
	                                : HTTP_DELETE;
	request_clear(q);
	buf_reserve(&q->head, HEAD_ROOM);
	buf_set(&q->url, op_request_url(o));
	request_header(q, "Accept", SPAN("application/json"));
	optional_header(q, "x-ms-client-request-id", o->spec.client_request_id);
	optional_header(q, "traceparent", o->spec.traceparent);
	if (patch) {
		request_header(q, "Content-Type", SPAN("application/json"));
		buf_set(&q->body, o->spec.body);
	}
	if (o->leg == LEG_WRITE)
		optional_header(q, "If-Match",
		                o->spec.if_match.p ? o->spec.if_match
		                                   : buf_span(&o->etag));
	q->authorize = true;
	/* The kept connection that the last one was lost on may have been about
	   to end, and so may be the one of the reading in between. */
	q->fresh = o->leg == LEG_WRITE && o->known == KNOWN_DOUBTFUL;
	q->timeout_ms =
		left < o->cfg->try_timeout ? left + SLACK : o->cfg->try_timeout;
}

enum op_want op_next(struct op *o, struct now now, struct request *out,
                     int64_t *until) {
	*until = NEVER;
	if (over(o))
		return o->end;
	if (o->deadline == NEVER) {
		o->deadline = now.mono + o->time;
		o->mark = now.mono;
	}
	if (now.mono >= o->deadline) {
		expire(o, now);
		return o->end;
	}
	*until = o->deadline;
	if (o->in_flight)
		return OP_WAIT;
	if (now.mono < o->not_before) {
		if (o->not_before < o->deadline)
			*until = o->not_before;
		return OP_WAIT;
	}
	if (!o->token) {
		o->asking = true;
		return OP_TOKEN;
	}
	if (o->spec.kind == OP_IDENTITY) {
		op_done(o, KEEP_NOTHING);
		return o->end;
	}
	if (out)
		build(o, now, out);
	return OP_SEND;
}

void op_sent(struct op *o, struct now now) {
	(void)now;
	if (over(o))
		return;
	o->in_flight = true;
	o->polls += o->leg == LEG_POLL || o->leg == LEG_WATCH;
}

bool op_resume(struct op *o, enum poll_source source, struct span url,
               bool changed) {
	bool unclear = source == POLL_RESOURCE && !changed;
	o->changed = changed;
	o->poll.source = source;
	o->known = unclear ? KNOWN_DOUBTFUL : KNOWN_ACCEPTED;
	if (source != POLL_RESOURCE) {
		buf_set(&o->poll.url, url);
		op_move(o, LEG_POLL, 0);
	} else if (changed || o->spec.kind != OP_ENSURE) {
		op_move(o, LEG_WATCH, 0);
	} /* else it reads, and writes if it must and may */
	return !o->poll.url.failed;
}

bool op_next_page(struct op *o) {
	if (o->end != OP_DONE || o->next.n == 0)
		return false;
	if (o->way != WAY_CLEAR) {
		opfail_next(o);
		return true;
	}
	o->end = OP_WAIT;
	o->deadline = NEVER;
	op_move(o, LEG_READ, 0);
	return true;
}
