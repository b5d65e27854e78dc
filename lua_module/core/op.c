/*
 * op.c -- one operation: which request comes next, when it is sent, and when
 * the operation ends.
 *
 * The caller asks op_next and reports with op_sent and op_feed:
 *
 *   op_next --> OP_TOKEN --> op_grant or op_no_token --+
 *    ^   |                                             |
 *    |   +----> OP_SEND  --> op_sent --> op_feed ------+
 *    |   +----> OP_WAIT  until *until -----------------+
 *    |   +----> OP_DONE or OP_FAIL                     |
 *    +-------------------------------------------------+
 *
 * op_feed handles an answer in this order:
 *
 *   - 401 fetches another token, once for each request.
 *   - A temporary error repeats the request (again).
 *   - Everything else goes to op_judge (op_rules.c), or to op_read for get and
 *     list.
 *
 * Time.  One deadline covers everything, from the first op_next to the end.
 * not_before delays the next request: by Retry-After, a back-off, or the poll
 * interval.  While the end of a write is sought, a failed read is repeated
 * until the deadline, because it says nothing about the operation.  op_book
 * counts the time by phase; the error reports it as `elapsed`.
 *
 * Retries follow the Azure SDK guidelines (retry.h).  A write whose result is
 * unknown is not repeated here: it settles first (op_rules.c).
 */
#include "core/op.h"

#include "core/arm.h"
#include "core/op_list.h"
#include "core/op_read.h"
#include "core/op_rules.h"
#include "core/op_error.h"
#include "core/random.h"

#include <string.h>

enum {
	MAX_STATUS = 256,
	SLACK = 200,     /* ms: the deadline comes before libcurl's timeout */
	HEAD_ROOM = 512, /* bytes: enough for most requests' heads */
};

/* ---- init and free ------------------------------------------------------ */

/* The position of part in whole; NULL: not in it. */
static const char *find(struct span whole, struct span part) {
	while (part.n > 0 && whole.n >= part.n) {
		size_t room = whole.n - part.n + 1;
		const char *at = memchr(whole.p, *part.p, room);
		if (!at || memcmp(at, part.p, part.n) == 0)
			return at;
		whole = span_from(whole, (size_t)(at - whole.p) + 1);
	}
	return NULL;
}

/* The offset of s in the text; appends it if the text does not contain it. */
static size_t place(struct buf *text, struct span s) {
	const char *there = find(buf_span(text), s);
	size_t at = there ? (size_t)(there - text->p) : text->n;
	if (!there)
		buf_add(text, s);
	return at;
}

/* Copies all strings into one block.  A string that is part of an earlier one,
   as the id is of the URL, is not stored again: ten thousand operations may
   wait at once.  The order finds most parts. */
static bool copy_spec(struct op *o) {
	struct op_spec *s = &o->spec;
	struct span *all[] = { &s->url,
		               &s->query,
		               &s->id,
		               &s->api_version,
		               &s->status,
		               &s->description,
		               &s->action_required,
		               &s->if_match,
		               &s->client_request_id,
		               &s->traceparent,
		               &s->tracestate,
		               &s->change_reference };
	enum { COUNT = sizeof all / sizeof *all };
	size_t at[COUNT], n = 0;
	for (size_t i = 0; i < COUNT; i++)
		n += all[i]->n;
	buf_reserve(&o->text, n);
	for (size_t i = 0; i < COUNT; i++)
		at[i] = place(&o->text, *all[i]);
	buf_fit(&o->text);
	if (o->text.failed)
		return false;
	for (size_t i = 0; i < COUNT; i++)
		if (all[i]->p)
			all[i]->p = o->text.p + at[i];
	return true;
}

/* An update, a delete, and an ensure that skips its read start with the write.
   */
static enum op_leg first_leg(const struct op_spec *spec) {
	bool writes = spec->kind == OP_UPDATE || spec->kind == OP_DELETE ||
	              spec->skip_read;
	if (!writes)
		return LEG_READ;
	return spec->policy == POLICY_ALWAYS ? LEG_ACQUIRE : LEG_WRITE;
}

/* policy_token = "always": the token is needed before the first write. */
static bool expect_policy(struct op *o) {
	if (o->spec.policy != POLICY_ALWAYS || !op_writes(o))
		return true;
	o->change.policy =
		policy_new(o->cfg->mem, o->spec.url, o->spec.poll_interval);
	return o->change.policy;
}

bool op_init(struct op *o, const struct op_config *cfg,
             const struct op_spec *spec) {
	*o = (struct op){ .cfg = cfg,
		          .spec = *spec,
		          .leg = first_leg(spec),
		          .end = OP_WAIT,
		          .percent = -1,
		          .time = spec->timeout,
		          .deadline = NEVER,
		          .missing_since = -1,
		          .random = spec->seed | 1 };
	buf_init(&o->text, cfg->mem, OP_MAX_TEXT);
	buf_init(&o->claims, cfg->mem, OP_MAX_TEXT);
	buf_init(&o->last_status, cfg->mem, MAX_STATUS);
	buf_init(&o->shown, cfg->mem, MAX_STATUS);
	if (op_lists(o)) {
		buf_init(&o->pages.next, cfg->mem, OP_MAX_TEXT);
		buf_init(&o->pages.hashes, cfg->mem, OP_MAX_TEXT);
	} else {
		buf_init(&o->change.etag, cfg->mem, OP_MAX_TEXT);
		buf_init(&o->change.found, cfg->mem, MAX_STATUS);
	}
	poll_init(&o->poll, cfg->mem, spec->poll_interval);
	fail_init(&o->fail, cfg->mem);
	return copy_spec(o) && expect_policy(o);
}

void op_free(struct op *o) {
	buf_free(&o->text);
	buf_free(&o->claims);
	buf_free(&o->last_status);
	buf_free(&o->shown);
	if (op_lists(o)) {
		buf_free(&o->pages.next);
		buf_free(&o->pages.hashes);
	} else {
		buf_free(&o->change.etag);
		buf_free(&o->change.found);
		policy_free(o->change.policy);
	}
	poll_free(&o->poll);
	fail_free(&o->fail);
}

/* ---- helpers ------------------------------------------------------------- */

static bool has_ended(const struct op *o) {
	return o->end == OP_DONE || o->end == OP_FAIL;
}

/* Appends "1.5 s", without trailing zeros. */
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

/* The operation has sent no write, or none had an effect. */
static void say_unwritten(struct op *o) {
	buf_adds(&o->fail.message, "; nothing was written");
	if (o->leg == LEG_READ && o->judged_leg == LEG_READ &&
	    o->judged_meaning == RUNNING) {
		buf_adds(&o->fail.message,
		         ", because another operation is running");
		if (!o->fail.hint)
			o->fail.hint = "try again when that operation has "
				       "ended";
	}
}

/* Ends the operation at its deadline.  The message has the last status and the
   last error. */
static void expire(struct op *o, struct now now) {
	struct buf last, *m = &o->fail.message;
	const char *hint = o->fail.hint;
	bool unread = o->leg == LEG_CONFIRM && o->reported == REPORTED_SUCCESS;
	op_book(o, now);
	buf_init(&last, o->cfg->mem, OP_MAX_TEXT);
	buf_move(&last, m);
	fail_set(&o->fail, FAIL_TIMEOUT, o->asking ? PHASE_TOKEN : op_phase(o),
	         unread ? "the operation succeeded, but the connection did not "
	                  "show the result within "
	         : op_acquires(o) ? "no policy token received within "
	                          : "timed out after ");
	add_seconds(m, o->spec.timeout);
	if (o->last_status.n > 0) {
		buf_adds(m, "; last status: ");
		fail_add(&o->fail, buf_span(&o->last_status));
	}
	if (o->shown.n > 0) {
		buf_adds(m, "; connection status: ");
		fail_add(&o->fail, buf_span(&o->shown));
	}
	if (last.n > 0) {
		buf_adds(m, "; last error: ");
		buf_add(m, buf_span(&last));
		o->fail.hint = hint;
	} else if (o->in_flight) {
		buf_adds(m, "; no response to the last request");
	}
	if (o->untrusted) {
		buf_adds(m, "; the polling URL was not used because its origin "
		            "is not trusted");
		if (!o->fail.hint)
			o->fail.hint = "add its origin to trusted_origins if "
				       "requests may go there";
	}
	if (op_acquires(o))
		o->fail.hint = op_policy_slow;
	if (op_writes(o) && op_untouched(o))
		say_unwritten(o);
	buf_free(&last);
	o->fail.retryable = true;
	op_failed(o);
}

/* ---- what happened ------------------------------------------------------ */

/* Until the end is known, reading goes on up to the deadline: a failed read
   says nothing about the operation. */
static bool goes_on(const struct op *o) {
	return o->leg == LEG_POLL || o->leg == LEG_WATCH ||
	       o->leg == LEG_CONFIRM || o->leg == LEG_AWAIT;
}

/* ms until the same request is sent again; -1: never.  A read that seeks the
   end of a write follows the poll interval and has no limit of attempts. */
static int64_t pause_for(struct op *o, const struct answer *a) {
	const struct retry_policy *p = &o->cfg->retry;
	int64_t asked = -1, pause;
	if (a->http->error == NET_OK)
		asked = http_retry_after(a->http, a->at.wall);
	if (!goes_on(o))
		return retry_delay(p, o->tries, asked, random_next(&o->random));
	if (asked > 0)
		return poll_wait(&o->poll, asked);
	pause = retry_backoff(p, o->tries, random_next(&o->random));
	return pause > POLL_FLOOR ? pause : POLL_FLOOR;
}

/* True if the same request may get a better answer when it is sent again. */
static bool is_passing(const struct op *o, const struct answer *a) {
	bool reads =
		o->leg == LEG_READ || o->leg == LEG_SETTLE || op_acquires(o);
	if (o->leg == LEG_WRITE && retry_ambiguous(a->http))
		return false; /* SETTLE reads first */
	if (reads && answer_is_garbled(a))
		return true;
	if (o->leg == LEG_SETTLE && a->http->status == 404)
		return meaning_of(o, a) ==
		       UNEXPECTED; /* not the service's 404 */
	if (!retry_worthwhile(&o->cfg->retry, a->http, answer_code(a)))
		return false;
	return o->leg != LEG_POLL || meaning_of(o, a) == NO_RESPONSE;
}

/* True: the same request is sent again after a pause.  Its error is kept for
   the message of a timeout. */
static bool again(struct op *o, const struct answer *a) {
	int64_t pause;
	bool late;
	if (a->http->error == NET_TIMEOUT && a->at.mono >= o->deadline)
		return true; /* libcurl's timeout came first, after a long
		                step */
	o->tries++;
	if (!is_passing(o, a))
		return false;
	pause = pause_for(o, a);
	late = pause >= 0 && a->at.mono + pause >= o->deadline;
	if (pause < 0 || (late && !goes_on(o)))
		return false;
	if (!op_keeps_failure(o))
		op_error_describe(o, fail_kind_of(a->http->status), a);
	o->not_before = a->at.mono + pause;
	if (late && o->leg == LEG_POLL) /* one last read */
		op_move(o, LEG_WATCH, a->at.mono);
	return true;
}

/* 401: requests a new token, with the claims of the challenge if there are
   any. */
static void unauthorized(struct op *o, uint32_t generation,
                         const struct answer *a) {
	http_claims(a->http, &o->claims);
	if (!op_keeps_failure(o))
		op_error_describe(o, FAIL_CREDENTIAL, a);
	if (o->reauthorized) {
		op_failed(o);
		return;
	}
	o->reauthorized = true;
	o->refused = generation;
}

/* Stores what every answer reports apart from its meaning: ids and statuses. */
static void note(struct op *o, const struct answer *a) {
	struct span id = reply_header(a->http, "x-ms-request-id");
	struct span correlation =
		reply_header(a->http, "x-ms-correlation-request-id");
	if (id.n > 0)
		op_error_note(o, &o->fail.request_id, id);
	if (correlation.n > 0)
		op_error_note(o, &o->fail.correlation_id, correlation);
	if (resource_of(a)->status.n > 0)
		op_error_note(o, &o->last_status, resource_of(a)->status);
	else if (resource_of(a)->provisioning_state.n > 0)
		op_error_note(o, &o->last_status,
		              resource_of(a)->provisioning_state);
	if (span_ieq(resource_of(a)->id, o->spec.id) &&
	    resource_of(a)->connection_status.n > 0)
		op_error_note(o, &o->shown, resource_of(a)->connection_status);
	if (resource_of(a)->percent >= 0)
		o->percent = resource_of(a)->percent;
}

void op_unsent(struct op *o) {
	o->in_flight = false;
}

void op_feed(struct op *o, const struct answer *a) {
	uint32_t generation = o->token;
	o->keep = KEEP_NOTHING;
	if (has_ended(o) || !o->in_flight)
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
	if (!op_keeps_failure(o) && o->leg != LEG_WATCH)
		buf_clear(
			&o->fail.message); /* an older error no longer counts */
	if (again(o, a))
		return;
	if (o->spec.kind == OP_GET || op_lists(o))
		op_read(o, a);
	else
		op_judge(o, a);
}

void op_signed_in(struct op *o, struct now now) {
	op_book(o, now);
	o->asking = false;
}

void op_grant(struct op *o, uint32_t generation, struct now now) {
	if (has_ended(o))
		return;
	op_signed_in(o, now);
	o->token = generation;
	o->refused = 0;
	buf_free(&o->claims);
}

/* The failed sign-in tells whether the call may succeed later. */
static void use_advice(struct fail *f, const struct fail *why) {
	if (why->hint)
		fail_copy_hint(f, why);
	f->retryable = why->retryable;
	f->retry_after = why->retry_after;
}

/* After a 401 its own error matters more than the reason of the failed sign-in.
   The failure that SETTLE should decide about is kept. */
void op_no_token(struct op *o, const struct fail *why, struct now now) {
	struct buf before, *m = &o->fail.message;
	if (has_ended(o))
		return;
	op_book(o, now);
	o->no_token = true;
	buf_init(&before, o->cfg->mem, OP_MAX_TEXT);
	if (op_keeps_failure(o))
		buf_move(&before, m);
	if (o->refused) {
		buf_adds(m, m->n > 0 ? "; " : "");
		buf_add(m, buf_span(&why->message));
		if (!op_error_advised(o))
			use_advice(&o->fail, why);
	} else {
		fail_copy(&o->fail, why);
		o->fail.phase = PHASE_TOKEN;
	}
	if (before.n > 0) {
		buf_adds(m, "; earlier error: ");
		buf_add(m, buf_span(&before));
	}
	buf_free(&before);
	op_failed(o);
}

/* ---- the next request
   ----------------------------------------------------- */

static void optional_header(struct request *q, const char *name,
                            struct span value) {
	if (value.p)
		request_header(q, name, value);
}

static enum http_method write_method(const struct op *o) {
	return o->spec.kind == OP_DELETE ? HTTP_DELETE : HTTP_PATCH;
}

static void add_state(const struct op *o, struct buf *body) {
	const struct op_spec *s = &o->spec;
	arm_write_state(body, s->api_version, s->status, s->description,
	                s->action_required);
}

/* The PATCH or DELETE.  The request for its policy token repeats its URL,
   method and body byte for byte. */
static void build_write(const struct op *o, struct request *q) {
	const struct policy *p = o->change.policy;
	if (o->spec.kind != OP_DELETE) {
		request_header(q, "Content-Type", SPAN("application/json"));
		add_state(o, &q->body);
	}
	optional_header(q, "If-Match", op_guard(o));
	if (p && p->token.n > 0)
		request_header(q, POLICY_HEADER, buf_span(&p->token));
	/* A kept connection may have been the reason for the lost response, and
	   the read in between may have used another such connection. */
	q->fresh = o->known == KNOWN_DOUBTFUL;
}

/* x-ms-force-sync, as Azure's own tools send it: the service answers without a
   polling URL if it can. */
static void build_acquisition(const struct op *o, struct request *q) {
	request_header(q, "Content-Type", SPAN("application/json"));
	request_header(q, "x-ms-force-sync", SPAN("true"));
	policy_open_body(&q->body, o->spec.url, write_method(o),
	                 o->spec.change_reference);
	if (o->spec.kind != OP_DELETE) {
		buf_adds(&q->body, ",\"content\":");
		add_state(o, &q->body);
	}
	buf_adds(&q->body, "}}");
}

static enum http_method method_of(const struct op *o) {
	if (o->leg == LEG_ACQUIRE || o->spec.kind == OP_QUERY)
		return HTTP_POST;
	return o->leg == LEG_WRITE ? write_method(o) : HTTP_GET;
}

static void build_query(const struct op *o, struct request *q) {
	request_header(q, "Content-Type", SPAN("application/json"));
	op_list_query(o, &q->body);
}

/* Builds the request of the present leg.  libcurl's timeout is later than the
   deadline, so that the deadline ends the operation. */
static void build(const struct op *o, struct now now, struct request *q) {
	int64_t left = o->deadline - now.mono;
	request_clear(q);
	q->method = method_of(o);
	buf_reserve(&q->head, HEAD_ROOM);
	buf_set(&q->url, op_request_url(o));
	if (op_acquires(o)) /* made anew for each token */
		buf_share_failure(&q->url, &o->change.policy->poll.url);
	request_header(q, "Accept", SPAN("application/json"));
	optional_header(q, "x-ms-client-request-id", o->spec.client_request_id);
	if (o->leg == LEG_WRITE)
		build_write(o, q);
	else if (o->leg == LEG_ACQUIRE)
		build_acquisition(o, q);
	else if (o->spec.kind == OP_QUERY)
		build_query(o, q);
	q->timeout_ms =
		left < o->cfg->try_timeout ? left + SLACK : o->cfg->try_timeout;
}

/* The deadline starts with the first call: a job that waits in a queue before
   that loses no time. */
enum op_want op_next(struct op *o, struct now now, struct request *out,
                     int64_t *until) {
	*until = NEVER;
	if (has_ended(o))
		return o->end;
	if (o->deadline == NEVER) {
		o->deadline = now.mono + o->time;
		o->booked_at = now.mono;
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
		if (!o->asking) /* until now it waited for its turn */
			op_book(o, now);
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
	if (has_ended(o))
		return;
	o->in_flight = true;
	o->writes_sent += o->leg == LEG_WRITE;
	o->polls += o->leg == LEG_POLL || o->leg == LEG_WATCH;
}

void op_veto(struct op *o, struct span why, struct now now) {
	if (has_ended(o))
		return;
	op_book(o, now);
	op_error_veto(o, why);
}

/* Without a polling URL or an accepted write, an ensure starts with its first
   read; anything else watches the resource. */
bool op_resume(struct op *o, const struct op_begun *begun) {
	bool polls = begun->source != POLL_RESOURCE;
	bool unclear = !polls && !begun->changed;
	o->resumed = true;
	o->changed = begun->changed;
	o->poll.source = begun->source;
	o->known = unclear ? KNOWN_DOUBTFUL : KNOWN_ACCEPTED;
	buf_set(&o->change.found, begun->from);
	if (polls) {
		buf_set(&o->poll.url, begun->url);
		op_move(o, LEG_POLL, 0);
	} else if (begun->changed || o->spec.kind != OP_ENSURE) {
		op_move(o, LEG_WATCH, 0);
	} /* otherwise it reads first */
	return !o->poll.url.failed && !o->change.found.failed;
}

/* A list continues on READ, with the remaining time.  A link to a foreign or a
   repeated page ends it with an error. */
bool op_has_next_page(const struct op *o) {
	return op_lists(o) && o->end == OP_DONE &&
	       (o->pages.next.n > 0 || o->pages.way != WAY_CLEAR);
}

bool op_next_page(struct op *o) {
	if (!op_has_next_page(o))
		return false;
	if (o->pages.way != WAY_CLEAR) {
		op_error_next(o);
		return true;
	}
	o->end = OP_WAIT;
	o->deadline = NEVER;
	op_move(o, LEG_READ, 0);
	return true;
}
