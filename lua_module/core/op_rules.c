/*
 * op_rules.c -- what an answer means, and which request comes next.
 *
 * The model.  An operation is on one leg at a time (op_state.h).  The leg
 * decides which request is sent, and so what its answer can prove.  An answer
 * has one of eleven meanings (op_rules.h).  Leg and meaning together select a
 * rule, and the rule moves the operation: to another leg, to the same leg after
 * a wait, or to its end.  There are two tables of rules: one for update and
 * ensure, one for delete.  Before them again(), in op.c, repeats a request
 * after a passing failure, or moves from POLL to WATCH if that would be too
 * late.  Nothing else decides what comes next.
 *
 *   answer --> meaning_of --> rules[book][leg][meaning] --> op_move, op_done
 *                              --> or op_failed
 *
 * The legs of a write.  READ is ensure's first read; skip_read omits it.  WRITE
 * sends the PATCH or DELETE.  When a write was accepted, one of three legs
 * looks for the end of the operation:
 *
 *   POLL     requests the polling URL.  It is used after any 2xx if its origin
 *            is trusted, whatever the body says.  Only Failed or Canceled end
 *            the operation at once.
 *   WATCH    reads the resource, if there is no polling URL or it no longer
 *            works.  No terminal status was reported yet.  So a resource that
 *            is not as requested is still being changed, until the deadline.
 *   CONFIRM  reads the resource after a terminal status Succeeded.  A resource
 *            that is not as requested is a stale read at first; after
 *            MAX_STALE_READS reads it is the result.
 *
 * Evidence.  A body is evidence about the resource only if its id is the
 * requested one; ids ignore letter case.  Other bodies at the polling URL can
 * report the status of the operation, but not its result.  Hence three rules:
 *
 *   - An update succeeds only when the resource was read as requested, in a
 *     final state.  Before a terminal status this means every member that the
 *     caller named.  After it the status alone decides, because the service may
 *     change a description.
 *   - A body without the status proves nothing.
 *   - A delete succeeds with 204, with the status Succeeded, or when the
 *     resource is absent: a 404 of Azure Resource Manager, not of a proxy.
 *
 * Settling.  SETTLE reads the resource to decide what a failure left open.  The
 * failure stays in op->fail meanwhile.  These failures lead there:
 *
 *   - The write got no response, or 408 or 5xx: it may have taken effect.
 *     PATCH is not idempotent, so it is sent again only after this read, with
 *     the ETag that was read unless the caller gave one.  It does not undo
 *     another writer's decision: a status that is neither Pending nor the
 *     requested one (may_overwrite), nor the one that an ensure read first
 *     (is_decided).  If the second attempt is refused (400, 409, 412), the
 *     first one may be the reason, and a read that does not show its effect
 *     may be stale.
 *   - Another writer was faster: 409 or 412 of a delete, or 412 of an ensure
 *     with skip_read.
 *   - An error at the polling URL that may be the result of the operation.  It
 *     is the result if the resource is not as requested.
 *   - The polling URL cannot be read: one read before the operation fails.
 *
 * A resource as requested turns the failure into success.  Otherwise the
 * operation fails with the stored failure.  The error has a continuation token
 * if the end of the write is not known (op->known).
 *
 * Policy tokens.  A policy with external evaluation refuses a write without a
 * token.  ACQUIRE requests a token for exactly this write; AWAIT polls that
 * request if it was answered with 202.  With policy_token = "always" the token
 * is acquired before the first write.  The token serves all writes of the
 * operation, since their bytes are equal.  If a write with a token is refused,
 * as with an expired one, a new token is acquired once.  Without a token
 * nothing is sent; the operation fails with the refusal and the evaluation's
 * reason.  A failed evaluation that names a time is requested again then, up to
 * MAX_EVALUATIONS evaluations.
 *
 * Invariants.  A write in doubt is never repeated without a read in between.
 * Each wait is bounded by the deadline, and each repetition by a count or a
 * time.  An answer that is only temporary is repeated before it gets here: see
 * again() in op.c.  explore.c checks that each rule can be reached and that no
 * cell without a rule can; it prints the tables of core/README.md.
 *
 * Sources.  Polling, headers and terminal statuses: "Asynchronous operations"
 * of the Azure Resource Manager RPC contract (async-api-reference.md), "Track
 * asynchronous Azure operations" and the long-running operations of the Azure
 * REST API guidelines.  Methods and status codes: RFC 9110 (9.2.2 idempotent
 * methods, 13.1.1 If-Match, 15.3.3 202, 15.5.13 412, 15.6.2 501) and RFC 5789
 * (PATCH).  Policy tokens: the sources in policy.h.
 */
#include "core/op_rules.h"

#include "core/advice.h"
#include "core/op_error.h"
#include "core/random.h"

/* No document gives these counts.  Each is small enough to end long before the
   deadline, and large enough for a few replicas that lag. */
enum {
	MAX_BAD_ANSWERS = 3, /* unexpected answers in a row until it fails */
	MAX_STALE_READS =
		5,         /* reads of a final state that is not as requested */
	MAX_CONFLICTS = 5, /* ensure: writes that a 412 refused */
	MAX_MISSING = 60000, /* ms that a 404 is tolerated, at most ... */
	MISSING_SHARE = 4,   /* ... and this part (1/4) of the remaining time */
	MAX_TAG = 1024,
	MAX_EVALUATIONS = 4,   /* failed evaluations of the policies */
	MIN_EVALUATION = 1000, /* ms until the next evaluation */
};

/* ---- evidence ----------------------------------------------------------- */

static bool same_member(struct span requested, struct span is) {
	return !requested.p || span_eq(requested, is);
}

/* Every member that the caller named equals the resource's. */
static bool as_named(const struct op *o, const struct answer *a) {
	const struct resource_facts *r = resource_of(a);
	return span_ieq(o->spec.status, r->connection_status) &&
	       same_member(o->spec.description, r->description) &&
	       same_member(o->spec.action_required, r->action_required);
}

/* Was a terminal status reported?  The answer to the write and a 200 at a
   Location are such reports themselves. */
static bool end_is_reported(const struct op *o) {
	return o->leg == LEG_WRITE || o->leg == LEG_CONFIRM ||
	       (o->leg == LEG_POLL && o->poll.source != POLL_ASYNC) ||
	       (o->leg == LEG_WATCH && o->reported == REPORTED_SUCCESS);
}

/* Our resource in a final state. */
static enum meaning meaning_of_final(const struct op *o,
                                     const struct answer *a) {
	struct span status = resource_of(a)->connection_status;
	if (o->spec.kind == OP_DELETE)
		return DIFFERENT;
	if (!end_is_reported(o))
		return as_named(o, a) ? AS_REQUESTED : DIFFERENT;
	if (status.n > 0)
		return span_ieq(o->spec.status, status) ? AS_REQUESTED
		                                        : DIFFERENT;
	/* Without the status the body proves nothing: the resource is read. */
	return o->leg == LEG_WRITE || o->leg == LEG_POLL ? SUCCEEDED
	                                                 : UNEXPECTED;
}

static bool is_ours(const struct op *o, const struct answer *a) {
	const struct resource_facts *r = resource_of(a);
	return r->is_resource && span_ieq(r->id, o->spec.id);
}

/* ---- meanings ----------------------------------------------------------- */

/* Does the error concern the request, and not the operation? */
static bool has_code_of_request(const struct answer *a) {
	static const char *const codes[] = {
		"InvalidApiVersionParameter",
		"InvalidResourceNamespace",
		"InvalidResourceType",
		"InvalidSubscriptionId",
		"MissingApiVersionParameter",
		"MissingRegistrationForLocation",
		"MissingSubscriptionRegistration",
		"NoRegisteredProviderFound",
		"ResourceTypeNotSupported",
		"SubscriptionNotFound",
		"SubscriptionNotRegistered",
		"UnsupportedApiVersion",
	};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (span_ieq(a->facts.code, span_of(codes[i])))
			return true;
	return false;
}

/* Errors that concern the polling request itself and not the operation. */
static bool is_about_request(const struct answer *a) {
	switch (a->http->status) {
	case 405: /* no such method here */
	case 406:
	case 410: /* gone */
	case 414:
	case 501:
	case 505:
		return true;
	default:
		return has_code_of_request(a);
	}
}

/* True for a 404 of Azure Resource Manager: the resource or its parent does not
   exist.  A proxy's 404 page proves nothing. */
static bool is_absence(const struct answer *a) {
	bool coded = a->facts.json && a->facts.code.n > 0;
	bool bare = a->facts.json || a->http->body.n == 0;
	return !has_code_of_request(a) &&
	       (coded || (bare && answer_is_azures(a)));
}

/* A 404 proves nothing about an update, but may prove a delete. */
static enum meaning meaning_of_404(const struct op *o, const struct answer *a) {
	if (o->spec.kind != OP_DELETE || o->leg == LEG_POLL || is_absence(a))
		return NOT_FOUND;
	return o->leg == LEG_WRITE || has_code_of_request(a) ? REFUSED
	                                                     : UNEXPECTED;
}

/* RPC contract: in the end a Location returns what a synchronous call would
   have returned, errors included. */
static bool may_be_result(const struct op *o, const struct answer *a) {
	int status = a->http->status;
	return o->poll.source != POLL_ASYNC && a->facts.error &&
	       (status == 400 || status == 409 || status == 412);
}

/* A status other than 2xx, or no response. */
static enum meaning meaning_of_failure(const struct op *o,
                                       const struct answer *a) {
	const struct reply *r = a->http;
	if (o->leg == LEG_WRITE && retry_ambiguous(r))
		return NO_RESPONSE;
	if (r->error != NET_OK)
		return o->leg == LEG_WRITE ? REFUSED : NO_RESPONSE;
	if (o->leg == LEG_POLL && is_about_request(a))
		return REFUSED;
	if (r->status == 404)
		return meaning_of_404(o, a);
	if (o->leg == LEG_POLL)
		return may_be_result(o, a) ? ERROR_RESULT : NO_RESPONSE;
	if (o->leg == LEG_WRITE && r->status == 403 && a->facts.policy)
		return TOKEN_REQUIRED;
	return REFUSED;
}

/* A provisioningState or the status of an operation.  Only the terminal ones
   are defined; the service may use any other word while it works (RPC
   contract). */
static enum meaning meaning_of_status(struct span status) {
	switch (poll_verdict_of(status)) {
	case POLL_SUCCEEDED:
		return SUCCEEDED;
	case POLL_FAILED:
	case POLL_CANCELED:
		return FAILED;
	default:
		return RUNNING;
	}
}

/* Our resource.  RPC contract: no provisioningState means Succeeded. */
static enum meaning meaning_of_ours(const struct op *o,
                                    const struct answer *a) {
	struct span state = resource_of(a)->provisioning_state;
	enum meaning m = state.n > 0 ? meaning_of_status(state) : SUCCEEDED;
	if (m != SUCCEEDED)
		return m;
	if (state.n == 0 && a->facts.error)
		return ERROR_RESULT;
	return meaning_of_final(o, a);
}

/* Another body at the polling URL or in the answer to the write.  It can report
   the status of the operation, but is no evidence about the resource. */
static enum meaning meaning_of_other(const struct op *o,
                                     const struct answer *a) {
	const struct resource_facts *f = resource_of(a);
	bool location = o->leg == LEG_POLL && o->poll.source == POLL_LOCATION;
	/* Of a delete: ended, but that does not prove the absence. */
	enum meaning ended = o->spec.kind == OP_DELETE ? DIFFERENT : SUCCEEDED,
		     m;
	if (f->provisioning_state.n > 0 && !f->bad_status) {
		m = meaning_of_status(f->provisioning_state);
		if (m == SUCCEEDED && o->leg == LEG_WRITE)
			return ended;
		return m == FAILED ? ERROR_RESULT : m;
	}
	if (a->facts.error)
		return ERROR_RESULT;
	if (a->http->body.n == 0)
		return SUCCEEDED;
	if (f->connection_status.n > 0 && !f->bad_status)
		return ended;
	/* RPC contract: a 200 at a Location ends it, whatever the body is */
	return location && a->facts.json ? ended : UNEXPECTED;
}

/* Our resource in the answer to the write or at the polling URL.  At an
   Azure-AsyncOperation URL it shows the end only if it is as requested. */
static enum meaning meaning_of_shown(const struct op *o,
                                     const struct answer *a) {
	const struct resource_facts *f = resource_of(a);
	bool shows = f->provisioning_state.n > 0 || f->connection_status.n > 0;
	enum meaning m = meaning_of_ours(o, a);
	if (o->leg != LEG_POLL)
		return m;
	if (f->bad_status || (!shows && o->poll.source != POLL_LOCATION))
		return UNEXPECTED;
	return m == DIFFERENT && o->poll.source == POLL_ASYNC &&
	                       o->spec.kind != OP_DELETE
	               ? RUNNING
	               : m;
}

/* A 2xx to the write or to the polling URL. */
static enum meaning meaning_of_report(const struct op *o,
                                      const struct answer *a) {
	struct span reported = resource_of(a)->status;
	int status = a->http->status;
	if (status == 204)
		return SUCCEEDED;
	if (o->leg == LEG_WRITE && status != 200 && status != 201)
		return RUNNING; /* 202, or an undocumented 2xx */
	if (reported.n > 0)
		return meaning_of_status(reported);
	if (status == 202)
		return RUNNING;
	return is_ours(o, a) ? meaning_of_shown(o, a) : meaning_of_other(o, a);
}

/* A 2xx to a read of the resource. */
static enum meaning meaning_of_resource(const struct op *o,
                                        const struct answer *a) {
	if (a->http->status == 202)
		return RUNNING;
	if (a->http->status != 200)
		return UNEXPECTED;
	if (is_ours(o, a))
		return meaning_of_ours(o, a);
	return a->facts.error ? REFUSED : UNEXPECTED;
}

/* The body of the answer to an acquisition, or of its status monitor.  A denial
   counts before a token in the same body, so that nothing is written against
   it.  A token counts before a status that still says Running. */
static enum meaning meaning_of_tokens(const struct answer *a) {
	const struct policy_facts *f = policy_of(a);
	bool issued = poll_verdict_of(f->result) == POLL_SUCCEEDED ||
	              (f->result.n == 0 && !a->facts.error);
	enum meaning m =
		f->status.n > 0 ? meaning_of_status(f->status) : UNEXPECTED;
	if (f->unmet || poll_verdict_of(f->result) == POLL_FAILED)
		return ERROR_RESULT;
	if (f->token.n > 0)
		return issued && http_printable(f->token) ? AS_REQUESTED
		                                          : UNEXPECTED;
	return a->facts.error                    ? FAILED
	       : f->result.n > 0 && m != RUNNING ? SUCCEEDED
	                                         : m;
}

/* An answer on ACQUIRE or AWAIT.  The status monitor may not be known yet where
   the next answer comes from; the acquisition itself exists or does not. */
static enum meaning meaning_of_acquisition(const struct op *o,
                                           const struct answer *a) {
	int status = a->http->status;
	if (a->http->error != NET_OK)
		return NO_RESPONSE;
	if (status == 202)
		return RUNNING;
	if (status >= 200 && status < 300)
		return meaning_of_tokens(a);
	return status == 404 && o->leg == LEG_AWAIT ? NOT_FOUND : REFUSED;
}

enum meaning meaning_of(const struct op *o, const struct answer *a) {
	int status = a->http->status;
	if (op_acquires(o))
		return meaning_of_acquisition(o, a);
	if (a->http->error != NET_OK || status < 200 || status >= 300)
		return meaning_of_failure(o, a);
	if (o->leg == LEG_WRITE || o->leg == LEG_POLL)
		return meaning_of_report(o, a);
	return meaning_of_resource(o, a);
}

/* ---- steps: pieces ------------------------------------------------------ */

/* ms: the Retry-After of the answer; -1: none. */
static int64_t asked_wait(const struct answer *a) {
	return http_retry_after(a->http, a->at.wall);
}

/* Moves to that leg after the wait that the answer, or else the default, asks
   for. */
static void later(struct op *o, const struct answer *a, enum op_leg leg) {
	op_move(o, leg, a->at.mono + poll_wait(&o->poll, asked_wait(a)));
}

/* Only if no answer asked for a wait. */
static void at_once(struct op *o, const struct answer *a, enum op_leg leg) {
	op_move(o, leg, a->at.mono);
}

/* The operation has succeeded: read the resource. */
static void confirm_at(struct op *o, int64_t when) {
	o->reported = REPORTED_SUCCESS;
	op_move(o, LEG_CONFIRM, when);
}

/* The resource is not as requested: a stale read, or the result. */
static void confirm_stale(struct op *o, const struct answer *a) {
	int64_t wait = poll_wait(&o->poll, asked_wait(a));
	if (++o->stale_reads < MAX_STALE_READS)
		confirm_at(o, a->at.mono + wait);
	else
		op_error_different(o, a);
}

/* A deleted connection has no result to keep. */
static void end_well(struct op *o) {
	op_done(o, o->spec.kind == OP_DELETE ? KEEP_NOTHING : KEEP_RESULT);
}

/* Where the answer came from, and which origins are trusted. */
static struct poll_place place_of(const struct op *o, struct span version) {
	return (struct poll_place){ .base = op_request_url(o),
		                    .resource = o->spec.url,
		                    .api_version = version,
		                    .origins = o->cfg->origins,
		                    .count = o->cfg->origin_count };
}

/* A polling URL is shown in events and kept in continuation tokens, so one that
   repeats a token of the request is not followed. */
static void refuse_echo(const struct op *o, struct poll *p) {
	enum { SHORTEST = 8 }; /* a shorter one stands in a URL by chance */
	struct span list[OP_SECRETS];
	struct secrets secrets = op_secrets(o, list);
	for (size_t i = 0; i < secrets.count; i++) {
		struct span secret = secrets.list[i];
		if (secret.n >= SHORTEST &&
		    span_icontains(buf_span(&p->url), secret))
			poll_resource(p);
	}
}

/* Takes the newest polling URL.  True: there is one that may be polled. */
static bool follow(struct op *o, const struct answer *a) {
	struct poll_place here = place_of(o, o->spec.api_version);
	poll_follow(&o->poll, a->http, &here);
	refuse_echo(o, &o->poll);
	o->untrusted |= o->poll.untrusted;
	return o->poll.source != POLL_RESOURCE;
}

/* The write was accepted.  True: the operation moved to its polling URL. */
static bool accepted(struct op *o, const struct answer *a) {
	bool followed = follow(o, a);
	o->known = KNOWN_ACCEPTED;
	o->changed = true;
	o->stale_reads = 0;
	if (followed)
		later(o, a, LEG_POLL);
	return followed;
}

/* Stores the failure, and reads the resource to decide about it. */
static void settle_failure(struct op *o, const struct answer *a) {
	op_error_describe(o, fail_kind_of(a->http->status), a);
	o->repeat = false;
	at_once(o, a, LEG_SETTLE);
}

/* Moves to the write, or first to its policy token. */
static void to_write(struct op *o, const struct answer *a) {
	const struct policy *p = o->change.policy;
	bool without = o->spec.policy == POLICY_ALWAYS && p->token.n == 0;
	at_once(o, a, without ? LEG_ACQUIRE : LEG_WRITE);
}

/* ---- steps: the policy token -------------------------------------------- */

/* No further write is sent; o->fail has the reason.  If an earlier write is in
   doubt, the resource is read. */
static void give_up_write(struct op *o, const struct answer *a) {
	o->repeat = false;
	if (o->known == KNOWN_DOUBTFUL)
		at_once(o, a, LEG_SETTLE);
	else
		op_failed(o);
}

/* May a token be acquired after this refusal?  NULL: it may. */
static const char *why_no_token(const struct op *o, const struct answer *a) {
	const struct policy *p = o->change.policy;
	if (o->spec.policy == POLICY_NEVER)
		return op_policy_off;
	if (a->facts.policy == POLICY_CHANGE && !o->spec.change_reference.p)
		return op_policy_change;
	return p && p->token.n > 0 && p->renewed ? op_policy_rejected : NULL;
}

/* The write was refused for want of a policy token, so it had no effect.  A
   token that was sent and refused is acquired again once; it may have
   expired. */
static void take_token_required(struct op *o, const struct answer *a) {
	const char *why = why_no_token(o, a);
	struct policy *p = o->change.policy;
	op_error_describe(o, FAIL_FORBIDDEN, a);
	if (why) {
		o->fail.hint = why;
		give_up_write(o, a);
		return;
	}
	if (!p)
		p = o->change.policy = policy_new(o->cfg->mem, o->spec.url,
		                                  o->spec.poll_interval);
	if (!p) {
		op_stop(o, FAIL_LIMIT, "not enough memory", a->at);
		return;
	}
	p->renewed |= p->token.n > 0;
	p->refused = true;
	policy_reset(p, o->spec.url);
	at_once(o, a, LEG_ACQUIRE);
}

/* The request for a token failed. */
static void take_no_token(struct op *o, const struct answer *a) {
	op_error_policy(o, a, NULL);
	give_up_write(o, a);
}

/* A 2xx without a usable token: nothing is written without one. */
static void take_unexpected_token(struct op *o, const struct answer *a) {
	op_error_policy(o, a,
	                o->change.policy->poll.untrusted
	                        ? "the origin of its polling URL is not trusted"
	                        : "unexpected response");
	give_up_write(o, a);
}

/* No token in the status monitor: the Location may have it. */
static void take_without_token(struct op *o, const struct answer *a) {
	struct policy *p = o->change.policy;
	if (p->location.n > 0) {
		buf_move(&p->poll.url, &p->location);
		at_once(o, a, LEG_AWAIT);
		return;
	}
	op_error_policy(o, a,
	                "the service issued none: no policy requires one here, "
	                "or none is available");
	o->fail.hint = op_policy_none;
	give_up_write(o, a);
}

/* Accepted, or still running.  An answer without a polling URL keeps the
   previous one. */
static void take_await(struct op *o, const struct answer *a) {
	struct policy *p = o->change.policy;
	struct poll_place here = place_of(o, SPAN(POLICY_API_VERSION));
	struct buf location;
	buf_init(&location, o->cfg->mem, POLL_MAX_URL);
	if (poll_location(&p->poll, a->http, &here, &location))
		buf_move(&p->location, &location);
	buf_free(&location);
	poll_follow(&p->poll, a->http, &here);
	refuse_echo(o, &p->poll);
	if (p->poll.source == POLL_RESOURCE) {
		take_unexpected_token(o, a);
		return;
	}
	if (p->poll.source != POLL_ASYNC)
		buf_clear(&p->location);
	op_move(o, LEG_AWAIT, a->at.mono + poll_wait(&p->poll, asked_wait(a)));
}

/* An evaluation failed, or denies the write.  One that names a time
   (retryAfter) is requested again then, a few times; a denial names none. */
static void take_evaluation_failed(struct op *o, const struct answer *a) {
	struct policy *p = o->change.policy;
	int64_t wait = policy_wait(a);
	op_error_note_evaluation(o, policy_of(a));
	if (wait >= 0 && wait < MIN_EVALUATION)
		wait = MIN_EVALUATION;
	if (wait >= 0 && ++p->evaluations < MAX_EVALUATIONS &&
	    a->at.mono + wait < o->deadline) {
		policy_reset(p, o->spec.url);
		op_move(o, LEG_ACQUIRE, a->at.mono + wait);
		return;
	}
	op_error_evaluation(o, a);
	give_up_write(o, a);
}

/* The token goes into the next write.  The refusal that asked for it is no
   longer the operation's error. */
static void take_token(struct op *o, const struct answer *a) {
	struct policy *p = o->change.policy;
	buf_set(&p->token, policy_of(a)->token);
	op_error_note(o, &p->id, policy_of(a)->token_id);
	buf_fit(&p->token);
	if (p->token.failed) { /* never write without it */
		op_stop(o, FAIL_LIMIT, "not enough memory", a->at);
		return;
	}
	poll_resource(&p->poll);
	p->refused = false;
	buf_clear(&p->name);
	buf_clear(&p->verdict);
	buf_clear(&p->reason);
	buf_clear(&o->fail.message);
	at_once(o, a, LEG_WRITE);
}

/* ---- steps: the write --------------------------------------------------- */

/* The body's etag comes before the header's, since a proxy that compresses
   changes the header (RFC 9110, 8.8.3.3).  head_tag: the body's did not
   work. */
static struct span tag_of(const struct op *o, const struct answer *a) {
	struct span header = reply_header(a->http, "etag");
	return o->head_tag && header.n > 0 ? header : answer_etag(a);
}

/* True if the ETag is not the one that the last write had in If-Match.  That
   write can then no longer take effect: the read shows its result. */
static bool has_moved(const struct op *o, const struct answer *a) {
	struct span tag = tag_of(o, a);
	return tag.n > 0 && o->change.etag.n > 0 &&
	       !span_eq(tag, buf_span(&o->change.etag));
}

/* Stores the ETag for the If-Match of the next write.  If it was refused and
   read again unchanged, the header's ETag replaces the body's. */
static bool guard(struct op *o, const struct answer *a, bool was_refused) {
	struct span tag = tag_of(o, a), last = buf_span(&o->change.etag);
	if (was_refused && span_eq(tag, last)) {
		o->head_tag = true;
		tag = tag_of(o, a);
	}
	if (was_refused && tag.n > 0 && span_eq(tag, last) &&
	    ++o->same_tag > 1) { /* the first may be a stale read */
		op_error_tag(o);
		return false;
	}
	if (tag.n > MAX_TAG || !http_printable(tag)) {
		op_error_protocol(
			o, a, "the ETag cannot be sent in a header field", tag);
		return false;
	}
	buf_set(&o->change.etag, tag);
	/* Never write without the guard, nor without the status that later ones
	   are compared with. */
	if (o->change.etag.failed || o->shown.failed) {
		op_stop(o, FAIL_LIMIT, "not enough memory", a->at);
		return false;
	}
	return true;
}

/* Somebody's decision that the requested status would undo. */
static bool is_decision(const struct op *o, struct span status) {
	return status.n > 0 && !span_ieq(status, SPAN("Pending")) &&
	       !span_ieq(status, o->spec.status);
}

/* Another writer has decided since the connection was read first. */
static bool is_decided(const struct op *o, struct span status) {
	struct span found = buf_span(&o->change.found);
	return found.n > 0 && !span_ieq(status, found) &&
	       is_decision(o, status);
}

/* The resource is not as requested, so it is written.  An earlier write in
   doubt may still take effect, until the ETag shows that it cannot. */
static void take_write(struct op *o, const struct answer *a) {
	struct span status = resource_of(a)->connection_status;
	bool was_refused = o->conflicts > 0 && o->leg == LEG_READ;
	bool moved = o->leg == LEG_READ && has_moved(o, a);
	bool doubt = o->known == KNOWN_DOUBTFUL && !moved;
	if (o->spec.read_only) {
		op_error_read_only(o, a);
		return;
	}
	if (doubt && was_refused && ++o->stale_reads < MAX_STALE_READS) {
		later(o, a, LEG_READ); /* a stale read */
		return;
	}
	if (is_decided(o, status)) {
		if (o->known == KNOWN_DOUBTFUL && has_moved(o, a))
			o->known = KNOWN_REPLACED;
		op_error_decided(o, status);
		return;
	}
	o->keep = o->leg == LEG_READ ? KEEP_BEFORE : KEEP_NOTHING;
	o->change.transition = transition_find(status, o->spec.status);
	if (!guard(o, a, was_refused))
		return;
	if (moved && o->known == KNOWN_DOUBTFUL)
		o->known = KNOWN_REPLACED;
	buf_clear(&o->last_status); /* the status before the write */
	buf_move(&o->change.found, &o->shown);
	to_write(o, a);
}

/* Another update is running.  Its end decides whether a write is needed; it may
   be a decision, compared with the status that was read first. */
static void take_read_again(struct op *o, const struct answer *a) {
	struct buf *found = &o->change.found;
	if (found->n == 0)
		buf_set(found, buf_span(&o->shown));
	if (o->shown.failed || found->failed) {
		op_stop(o, FAIL_LIMIT, "not enough memory", a->at);
		return;
	}
	o->keep = KEEP_BEFORE;
	later(o, a, LEG_READ);
}

/* The resource is as requested.  Nothing is written, or nothing more. */
static void take_already(struct op *o, const struct answer *a) {
	(void)a;
	o->changed |= o->known == KNOWN_DOUBTFUL; /* it took effect */
	op_done(o, o->changed ? KEEP_RESULT : KEEP_BEFORE);
}

/* The write may have taken effect: the resource is read first, after the pause
   of a retry. */
static void take_lost_write(struct op *o, const struct answer *a) {
	const struct retry_policy *p = &o->cfg->retry;
	int64_t delay = -1,
		asked = a->http->error == NET_OK ? asked_wait(a) : -1;
	op_error_describe(o, fail_kind_of(a->http->status), a);
	if (retry_worthwhile(p, a->http, answer_code(a)))
		delay = retry_delay(p, o->tries, asked,
		                    random_next(&o->random));
	o->writes = o->tries;
	o->repeat = delay >= 0 && a->at.mono + delay < o->deadline;
	op_move(o, LEG_SETTLE, a->at.mono + (o->repeat ? delay : 0));
}

/* Did the service answer with that status? */
static bool is_refusal(const struct answer *a, int status) {
	return a->http->error == NET_OK && a->http->status == status;
}

/* This attempt had no effect.  412: another writer was faster, so an ensure
   reads again; with the caller's if_match it does not write again. */
static void take_refused_write(struct op *o, const struct answer *a) {
	bool conflict = o->spec.kind == OP_ENSURE && is_refusal(a, 412);
	o->conflicts += conflict;
	if (conflict && !o->spec.if_match.p && o->conflicts < MAX_CONFLICTS)
		at_once(o, a, LEG_READ);
	else if (o->known == KNOWN_DOUBTFUL || (conflict && o->spec.skip_read))
		settle_failure(o, a);
	else
		op_error_reply(o, a);
}

/* 409 and 412: the other operation may be a deletion too. */
static void take_refused_delete(struct op *o, const struct answer *a) {
	if (o->known == KNOWN_DOUBTFUL || is_refusal(a, 409) ||
	    is_refusal(a, 412))
		settle_failure(o, a);
	else
		op_error_reply(o, a);
}

/* The PATCH or DELETE got a 404 of Azure Resource Manager. */
static void take_already_gone(struct op *o, const struct answer *a) {
	if (o->known == KNOWN_DOUBTFUL)
		end_well(o); /* an earlier attempt deleted it */
	else
		op_error_reply(o, a);
}

/* The service accepted the write and has not ended it.  Without a polling URL
   only the resource shows the end. */
static void take_poll_or_watch(struct op *o, const struct answer *a) {
	if (!accepted(o, a))
		later(o, a, LEG_WATCH);
}

/* The 200 to the write shows the resource, and it is not as requested.  The 200
   is the end, unless a polling URL or a Retry-After announces an operation. */
static void take_poll_or_read(struct op *o, const struct answer *a) {
	if (accepted(o, a))
		return;
	if (o->untrusted || asked_wait(a) > 0)
		later(o, a, LEG_WATCH);
	else
		confirm_stale(o, a);
}

/* The 2xx to a delete does not prove the absence. */
static void take_still_there(struct op *o, const struct answer *a) {
	if (!accepted(o, a))
		at_once(o, a, LEG_WATCH);
}

/* A 2xx with the status Succeeded but without the resource. */
static void take_poll_or_confirm(struct op *o, const struct answer *a) {
	if (!accepted(o, a))
		confirm_at(o, a->at.mono);
}

/* A 2xx that shows the result itself. */
static void take_poll_or_done(struct op *o, const struct answer *a) {
	if (!accepted(o, a))
		end_well(o);
}

/* A 2xx with an error in its body, or with an unknown body. */
static void take_poll_or_settle(struct op *o, const struct answer *a) {
	if (accepted(o, a))
		return;
	if (a->facts.error) {
		settle_failure(o, a);
		o->reported = REPORTED_ERROR;
		return;
	}
	o->known = KNOWN_DOUBTFUL; /* it may be from a proxy */
	op_error_unexpected(o, a, "unexpected response to the write");
	o->repeat = false;
	at_once(o, a, LEG_SETTLE);
}

/* ---- steps: until the end ----------------------------------------------- */

/* Still running.  An untrusted new URL leaves only the resource to read. */
static void take_poll(struct op *o, const struct answer *a) {
	later(o, a, follow(o, a) ? LEG_POLL : LEG_WATCH);
}

/* The polling URL no longer works; a timeout reports the reason. */
static void take_watch(struct op *o, const struct answer *a) {
	op_error_describe(o, fail_kind_of(a->http->status), a);
	poll_resource(&o->poll);
	at_once(o, a, LEG_WATCH);
}

/* No terminal status was reported, and the resource does not show one. */
static void take_watch_on(struct op *o, const struct answer *a) {
	later(o, a, LEG_WATCH);
}

/* Its own provisioningState is running: when it is final, that is the end. */
static void take_at_work(struct op *o, const struct answer *a) {
	if (a->http->status == 200)
		o->reported = REPORTED_SUCCESS;
	later(o, a, LEG_WATCH);
}

/* Terminal status Succeeded: the result is read from the connection. */
static void take_confirm(struct op *o, const struct answer *a) {
	confirm_at(o, a->at.mono);
}

/* Succeeded, but the connection is not as requested. */
static void take_stale(struct op *o, const struct answer *a) {
	confirm_stale(o, a);
}

/* A connection in a final state that is not as requested.  It is the result
   only if an end was reported or seen. */
static void take_watched(struct op *o, const struct answer *a) {
	if (o->reported == REPORTED_SUCCESS)
		confirm_stale(o, a);
	else
		later(o, a, LEG_WATCH);
}

/* Notes the time of the first 404.  True while more are tolerated: replicas may
   not know a new URL or resource yet. */
static bool tolerate(struct op *o, const struct answer *a) {
	int64_t share;
	if (o->missing_since < 0)
		o->missing_since = a->at.mono;
	share = (o->deadline - o->missing_since) / MISSING_SHARE;
	return a->at.mono - o->missing_since <
	       (share < MAX_MISSING ? share : MAX_MISSING);
}

/* When a polling URL stays unknown, the service may have removed it after the
   end.  WATCH then reads the resource, as long as time is left for that. */
static void take_missing_url(struct op *o, const struct answer *a) {
	if (tolerate(o, a)) {
		later(o, a, LEG_POLL);
		if (o->not_before < o->deadline)
			return;
	}
	o->missing_since = -1;
	take_watch(o, a);
}

/* After an accepted write.  A new read may be answered by a replica that
   lags. */
static void take_missing_resource(struct op *o, const struct answer *a) {
	if (tolerate(o, a))
		later(o, a, o->leg);
	else
		op_error_reply(o, a);
}

/* A new status monitor; nothing was written yet. */
static void take_missing_token(struct op *o, const struct answer *a) {
	if (tolerate(o, a))
		op_move(o, LEG_AWAIT,
		        a->at.mono + poll_wait(&o->change.policy->poll,
		                               asked_wait(a)));
	else
		take_no_token(o, a);
}

/* A proxy's page with 200, or another resource.  A single one may be temporary,
   so only several in a row end the polling (op_judge). */
static void take_unexpected_poll(struct op *o, const struct answer *a) {
	if (++o->bad_answers < MAX_BAD_ANSWERS) {
		take_poll(o, a);
		return;
	}
	op_error_unexpected(o, a,
	                    "the polling URL returned unexpected responses");
	o->repeat = false;
	at_once(o, a, LEG_SETTLE);
}

/* The same for a read after the write, where no other evidence is left. */
static void take_unexpected(struct op *o, const struct answer *a) {
	if (++o->bad_answers < MAX_BAD_ANSWERS)
		later(o, a, o->leg);
	else
		op_error_protocol(o, a, "the response is not the connection",
		                  buf_span(&a->http->body));
}

/* The read before any write.  Nothing was written yet, so the first one is the
   error. */
static void take_unexpected_read(struct op *o, const struct answer *a) {
	const char *why = op_not_json;
	if (resource_of(a)->is_resource)
		why = "the response is another resource";
	else if (a->facts.json)
		why = "the response is not a resource";
	op_error_protocol(o, a, why, buf_span(&a->http->body));
}

/* ---- steps: settling ---------------------------------------------------- */

/* The steps to SETTLE and on it.  The failure that is to be decided stays in
   o->fail, except where a later answer says more. */
static void take_settle(struct op *o, const struct answer *a) {
	settle_failure(o, a);
}

/* The error may be the operation's own end.  If the read does not show the
   requested state, it is believed. */
static void take_error_result(struct op *o, const struct answer *a) {
	settle_failure(o, a);
	o->reported = REPORTED_ERROR;
}

static void take_settle_on(struct op *o, const struct answer *a) {
	later(o, a, LEG_SETTLE);
}

/* The read shows the requested state.  Our write caused it, unless each attempt
   was refused by 412: then another writer did, and `changed` stays false. */
static void take_settled(struct op *o, const struct answer *a) {
	bool by_another = o->spec.skip_read && o->conflicts > 0 &&
	                  o->known == KNOWN_UNDONE;
	(void)a;
	o->changed = !by_another;
	if (by_another)
		op_done(o, KEEP_BEFORE);
	else
		end_well(o);
}

static void take_give_up(struct op *o, const struct answer *a) {
	(void)a;
	op_failed(o);
}

/* May the write be sent again?  Without If-Match an update must not undo a
   later decision.  An update has not read the state before its write, so each
   decision counts as later; for ensure see is_decided. */
static bool may_overwrite(const struct op *o, const struct answer *a) {
	return o->spec.kind != OP_UPDATE || o->spec.if_match.p ||
	       !is_decision(o, resource_of(a)->connection_status);
}

/* May an earlier attempt that took effect be the reason of this refusal? */
static bool may_be_effect(const struct op *o) {
	int status = o->fail.http_status;
	return o->known == KNOWN_DOUBTFUL &&
	       (status == 400 || status == 409 || status == 412) &&
	       !advice_lasts(buf_span(&o->fail.code));
}

/* The write has had no effect, as far as this read shows.  It is sent again if
   an attempt is left; otherwise the stored failure stands. */
static void take_repeat(struct op *o, const struct answer *a) {
	if (o->repeat && may_overwrite(o, a)) {
		if (o->spec.kind == OP_DELETE)
			to_write(o, a);
		else
			take_write(o, a);
		o->tries = o->writes;
		return;
	}
	if (may_be_effect(o) && ++o->stale_reads < MAX_STALE_READS) {
		later(o, a, LEG_SETTLE);
		return;
	}
	if (o->reported == REPORTED_ERROR) {
		op_error_believe(o);
		o->known = KNOWN_DECIDED;
	}
	op_failed(o);
}

/* ---- steps: ends -------------------------------------------------------- */

static void take_fail(struct op *o, const struct answer *a) {
	op_error_reply(o, a);
}

/* A terminal status Failed or Canceled.  In the answer to the write it shows
   that the write was accepted. */
static void take_failed(struct op *o, const struct answer *a) {
	if (o->leg == LEG_WRITE)
		o->changed = true;
	op_error_operation(o, a);
}

static void take_done(struct op *o, const struct answer *a) {
	(void)a;
	end_well(o);
}

/* ---- the tables --------------------------------------------------------- */

enum { END = -1 };
/* RULE(repeat, ...) is applied by take_repeat.  RULE_BY names another function,
   also without take_. */
#define RULE_BY(name, function, says, ...)                                     \
	static const struct rule name = { says,                                \
		                          take_##function,                     \
		                          { __VA_ARGS__, END } }
#define RULE(name, says, ...) RULE_BY(name, name, says, __VA_ARGS__)

RULE(read_again, "READ later", LEG_READ);
RULE(write, "WRITE, or ACQUIRE first; in doubt: READ later", LEG_WRITE,
     LEG_ACQUIRE, LEG_READ, TO_FAILURE);
RULE(already, "done", TO_DONE);
RULE(token_required, "ACQUIRE, twice; fail; in doubt: SETTLE", LEG_ACQUIRE,
     TO_FAILURE, LEG_SETTLE);
RULE(no_token, "fail; in doubt: SETTLE", TO_FAILURE, LEG_SETTLE);
RULE(unexpected_token, "fail; in doubt: SETTLE", TO_FAILURE, LEG_SETTLE);
RULE_BY(none_issued, without_token, "fail; in doubt: SETTLE", TO_FAILURE,
        LEG_SETTLE);
RULE(without_token, "AWAIT at Location; fail; in doubt: SETTLE", LEG_AWAIT,
     TO_FAILURE, LEG_SETTLE);
RULE(missing_token, "again for a while; fail; in doubt: SETTLE", TO_ITSELF,
     TO_FAILURE, LEG_SETTLE);
RULE(evaluation_failed, "ACQUIRE later, 3 times; fail; in doubt: SETTLE",
     LEG_ACQUIRE, TO_FAILURE, LEG_SETTLE);
RULE(await, "AWAIT later; fail; in doubt: SETTLE", LEG_AWAIT, TO_FAILURE,
     LEG_SETTLE);
RULE(token, "WRITE", LEG_WRITE);
RULE(lost_write, "SETTLE, after a pause", LEG_SETTLE);
RULE(refused_write,
     "fail; in doubt: SETTLE; 412 of ensure: READ, 4 times; without a first "
     "read: "
     "SETTLE",
     TO_FAILURE, LEG_READ, LEG_SETTLE);
RULE(refused_delete, "fail; 409, 412, in doubt: SETTLE", TO_FAILURE,
     LEG_SETTLE);
RULE_BY(missing_connection, refused_write, "fail; in doubt: SETTLE", TO_FAILURE,
        LEG_SETTLE);
RULE(already_gone, "fail; in doubt: done", TO_FAILURE, TO_DONE);
RULE(poll_or_watch, "POLL, else WATCH", LEG_POLL, LEG_WATCH);
RULE(poll_or_read, "POLL, else CONFIRM or WATCH", LEG_POLL, LEG_CONFIRM,
     LEG_WATCH);
RULE(still_there, "POLL, else WATCH", LEG_POLL, LEG_WATCH);
RULE(poll_or_confirm, "POLL, else CONFIRM", LEG_POLL, LEG_CONFIRM);
RULE(poll_or_done, "POLL, else done", LEG_POLL, TO_DONE);
RULE(poll_or_settle, "POLL, else SETTLE", LEG_POLL, LEG_SETTLE);
RULE(poll, "POLL later", LEG_POLL, LEG_WATCH);
RULE(watch, "WATCH", LEG_WATCH);
RULE(watch_on, "WATCH later", LEG_WATCH);
RULE(at_work, "WATCH later", LEG_WATCH);
RULE(watched, "WATCH later; ended: CONFIRM", LEG_WATCH, LEG_CONFIRM);
RULE(confirm, "CONFIRM", LEG_CONFIRM);
RULE(stale, "CONFIRM, 5 reads; fail (operation)", LEG_CONFIRM, TO_FAILURE);
RULE(missing_url, "POLL for a while; WATCH", LEG_POLL, LEG_WATCH);
RULE(missing_resource, "again for a while; fail", TO_ITSELF, TO_FAILURE);
RULE(unexpected_poll, "POLL, twice; SETTLE", LEG_POLL, LEG_SETTLE);
RULE(unexpected, "again, twice; fail", TO_ITSELF, TO_FAILURE);
RULE(unexpected_read, "fail", TO_FAILURE);
RULE(settle, "SETTLE", LEG_SETTLE);
RULE(error_result, "SETTLE", LEG_SETTLE);
RULE(settle_on, "SETTLE later", LEG_SETTLE);
RULE(settled, "done", TO_DONE);
RULE(give_up, "stored failure", TO_FAILURE);
RULE(repeat, "WRITE again; in doubt: 5 reads; stored failure", LEG_WRITE,
     LEG_SETTLE, TO_FAILURE);
RULE(fail, "fail", TO_FAILURE);
RULE(failed, "fail (operation)", TO_FAILURE);
RULE(done, "done", TO_DONE);

/* clang-format off */
/* ACQUIRE and AWAIT have the same rules in both books. */
#define ACQUIRING                                                              \
		[LEG_ACQUIRE] = {                                              \
			[NO_RESPONSE] = &no_token,      [REFUSED] = &no_token,     \
			[ERROR_RESULT] = &evaluation_failed,   [RUNNING] = &await,        \
			[SUCCEEDED] = &none_issued,      [AS_REQUESTED] = &token,       \
			[FAILED] = &no_token,       [UNEXPECTED] = &unexpected_token },      \
		[LEG_AWAIT] = {                                                \
			[NO_RESPONSE] = &no_token,      [REFUSED] = &no_token,     \
			[NOT_FOUND] = &missing_token, [ERROR_RESULT] = &evaluation_failed,  \
			[RUNNING] = &await,         [SUCCEEDED] = &without_token,   \
			[AS_REQUESTED] = &token,        [FAILED] = &no_token,      \
			[UNEXPECTED] = &unexpected_token }

static const struct rule *const rules[BOOKS][LEGS][MEANINGS] = {
	[BOOK_WRITE] = {
		[LEG_READ] = { /* ensure's */
			[NO_RESPONSE] = &fail,          [REFUSED] = &fail,
			[NOT_FOUND] = &fail,          [ERROR_RESULT] = &write,
			[RUNNING] = &read_again,    [AS_REQUESTED] = &already,
			[DIFFERENT] = &write,       [FAILED] = &write,
			[UNEXPECTED] = &unexpected_read },
		ACQUIRING,
		[LEG_WRITE] = {
			[NO_RESPONSE] = &lost_write, [REFUSED] = &refused_write,
			[NOT_FOUND] = &missing_connection, [ERROR_RESULT] = &poll_or_settle,
			[RUNNING] = &poll_or_watch, [SUCCEEDED] = &poll_or_confirm,
			[AS_REQUESTED] = &poll_or_done, [DIFFERENT] = &poll_or_read,
			[FAILED] = &failed,         [UNEXPECTED] = &poll_or_settle,
			[TOKEN_REQUIRED] = &token_required },
		[LEG_POLL] = {
			[NO_RESPONSE] = &settle,        [REFUSED] = &watch,
			[NOT_FOUND] = &missing_url,   [ERROR_RESULT] = &error_result,
			[RUNNING] = &poll,          [SUCCEEDED] = &confirm,
			[AS_REQUESTED] = &done,         [DIFFERENT] = &stale,
			[FAILED] = &failed,         [UNEXPECTED] = &unexpected_poll },
		[LEG_WATCH] = {
			[NO_RESPONSE] = &fail,          [REFUSED] = &fail,
			[NOT_FOUND] = &missing_resource, [ERROR_RESULT] = &failed,
			[RUNNING] = &at_work,       [AS_REQUESTED] = &done,
			[DIFFERENT] = &watched,     [FAILED] = &failed,
			[UNEXPECTED] = &unexpected },
		[LEG_CONFIRM] = {
			[NO_RESPONSE] = &fail,          [REFUSED] = &fail,
			[NOT_FOUND] = &missing_resource, [ERROR_RESULT] = &failed,
			[RUNNING] = &at_work,       [AS_REQUESTED] = &done,
			[DIFFERENT] = &stale,       [FAILED] = &failed,
			[UNEXPECTED] = &unexpected },
		[LEG_SETTLE] = {
			[NO_RESPONSE] = &give_up,       [REFUSED] = &give_up,
			[NOT_FOUND] = &give_up,       [ERROR_RESULT] = &repeat,
			[RUNNING] = &settle_on,     [AS_REQUESTED] = &settled,
			[DIFFERENT] = &repeat,      [FAILED] = &repeat,
			[UNEXPECTED] = &give_up },
	},
	[BOOK_DELETE] = { /* never AS_REQUESTED; DIFFERENT: it still exists */
		ACQUIRING,
		[LEG_WRITE] = {
			[NO_RESPONSE] = &lost_write, [REFUSED] = &refused_delete,
			[NOT_FOUND] = &already_gone,  [ERROR_RESULT] = &poll_or_settle,
			[RUNNING] = &poll_or_watch, [SUCCEEDED] = &poll_or_done,
			[DIFFERENT] = &still_there, [FAILED] = &failed,
			[UNEXPECTED] = &poll_or_settle,    [TOKEN_REQUIRED] = &token_required },
		[LEG_POLL] = {
			[NO_RESPONSE] = &settle,        [REFUSED] = &watch,
			[NOT_FOUND] = &watch,         [ERROR_RESULT] = &error_result,
			[RUNNING] = &poll,          [SUCCEEDED] = &done,
			[DIFFERENT] = &watch,       [FAILED] = &failed,
			[UNEXPECTED] = &unexpected_poll },
		[LEG_WATCH] = {
			[NO_RESPONSE] = &fail,          [REFUSED] = &fail,
			[NOT_FOUND] = &done,          [ERROR_RESULT] = &failed,
			[RUNNING] = &watch_on,      [DIFFERENT] = &watch_on,
			[FAILED] = &failed,         [UNEXPECTED] = &unexpected },
		[LEG_SETTLE] = {
			[NO_RESPONSE] = &give_up,       [REFUSED] = &give_up,
			[NOT_FOUND] = &settled,       [ERROR_RESULT] = &repeat,
			[RUNNING] = &settle_on,     [DIFFERENT] = &repeat,
			[FAILED] = &repeat,         [UNEXPECTED] = &give_up },
	},
};
/* clang-format on */

const struct rule *op_rule(enum book book, enum op_leg leg, enum meaning m) {
	return rules[book][leg][m];
}

const char *op_leg_name(enum op_leg leg) {
	static const char *const names[] = { "READ",    "ACQUIRE", "AWAIT",
		                             "WRITE",   "POLL",    "WATCH",
		                             "CONFIRM", "SETTLE" };
	return names[leg];
}

const char *op_meaning_name(enum meaning m) {
	static const char *const names[] = {
		"no response", "refused",    "not found",     "error result",
		"running",     "succeeded",  "as requested",  "different",
		"failed",      "unexpected", "token required"
	};
	return names[m];
}

/* The only way into the tables.  The counts of what may be temporary begin anew
   with each answer that is not. */
void op_judge(struct op *o, const struct answer *a) {
	enum book book = o->spec.kind == OP_DELETE ? BOOK_DELETE : BOOK_WRITE;
	enum meaning m = meaning_of(o, a);
	const struct rule *rule = rules[book][o->leg][m];
	o->judged_leg = (unsigned char)o->leg;
	o->judged_meaning = (unsigned char)m;
	if (m != NOT_FOUND)
		o->missing_since = -1;
	if (m != UNEXPECTED)
		o->bad_answers = 0;
	if (rule)
		rule->take(o, a);
	else /* explore.c shows that this cannot happen */
		op_error_protocol(o, a, "unexpected response",
		                  buf_span(&a->http->body));
}
