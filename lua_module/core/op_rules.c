/*
 * op_rules.c -- what an answer means, and what comes next.
 *
 * An operation is a conversation.  On each leg (opstate.h) one kind of request
 * is made, and its answer is given one of ten meanings.  The leg and the
 * meaning together name a rule, and the rule says what comes next: another
 * leg, the same one later, or an end.  There are two tables of rules, one for
 * update and ensure, one for delete.  Nothing else decides.
 *
 * READ and WRITE are ensure's look and the PATCH or DELETE.  After a write was
 * accepted, the operation's end is sought in one of three places:
 *
 *   POLL     the polling URL.  It is followed after any 2xx if its origin is
 *            trusted, whatever the body says; only Failed or Canceled end it.
 *   WATCH    the resource, where there is no such URL or it serves no longer.
 *            Nobody has said that the operation is over: a resource that is not
 *            as asked is still being changed, until the deadline.
 *   CONFIRM  the resource, after a word of success.  Not as asked is an old
 *            copy at first; after MAX_STALE looks it is the result.
 *
 * Evidence.  A body speaks for the resource only if its id is the one asked
 * for; letter case does not matter.  Other bodies at the polling URL can say
 * how far the operation is, and that it is over, but not what came of it.
 * So an update succeeds only when the resource was seen as asked, in a final
 * state.  Before a word of success, "as asked" means every member that the
 * caller named; after it, the status alone, since a service may reword a
 * description.  A body that does not show the status is read again.  A delete
 * succeeds by 204, a word of success, or the resource's absence: a 404 that is
 * Azure Resource Manager's own.
 *
 * Settling.  SETTLE reads the resource to decide what a failure left open; the
 * failure waits in op->fail.  Three kinds lead there:
 *
 *   - The write's answer was lost, or was 408 or 5xx: it may have been carried
 *     out.
 *     Only after this look may it be sent again, and then guarded by the ETag
 *     that the look found, unless the caller gave one.  A refusal of that
 *     second try decides nothing: 400, 409 and 412 may be the first one's
 *     effect, and a look that shows nothing of it is an old copy at first.
 *   - An error at the polling URL may be the operation's result (DENIED).  It
 *     is believed if the resource is not as asked.
 *   - The polling URL cannot be read: one look before giving up.
 *
 * A resource as asked turns the failure into success.  Everything else lets it
 * stand, with a continuation token as long as the write's end is not known
 * (op->known).
 *
 * A request whose answer says nothing at all is repeated before it gets here:
 * see again() in op.c.  explore.c checks that each rule can be reached or is
 * marked as impossible, and prints the tables for core/README.md.
 */
#include "op_rules.h"

#include "opfail.h"

enum {
	MAX_ODD = 3,         /* senseless answers in a row that are borne */
	MAX_STALE = 5,       /* looks at a final state that is not as asked */
	MAX_ROUNDS = 5,      /* of ensure against other writers */
	MAX_MISSING = 60000, /* ms that 404 is borne, at most ... */
	MISSING_SHARE = 4,   /* ... and this part of the time that is left */
	MAX_TAG = 1024,
};

/* ---- evidence ----------------------------------------------------------- */

static bool same_member(struct span asked, struct span is) {
	return !asked.p || span_eq(asked, is);
}

/* Every member that the caller named equals the resource's. */
static bool as_named(const struct op *o, const struct answer *a) {
	const struct resource_facts *r = resource_of(a);
	return span_ieq(o->spec.status, r->connection_status) &&
	       same_member(o->spec.description, r->description) &&
	       same_member(o->spec.action_required, r->action_required);
}

/* Has anybody said that it is over?  An answer to the write, and a 200 at a
   Location, say so themselves. */
static bool over_is_said(const struct op *o) {
	return o->leg == LEG_WRITE || o->leg == LEG_CONFIRM ||
	       (o->leg == LEG_POLL && o->poll.source != POLL_ASYNC) ||
	       (o->leg == LEG_WATCH && o->said == SAID_OVER);
}

/* Our resource in a final state. */
static enum meaning meaning_of_final(const struct op *o,
                                     const struct answer *a) {
	struct span status = resource_of(a)->connection_status;
	if (o->spec.kind == OP_DELETE)
		return OTHERWISE;
	if (!over_is_said(o))
		return as_named(o, a) ? AS_ASKED : OTHERWISE;
	if (status.n > 0)
		return span_ieq(o->spec.status, status) ? AS_ASKED : OTHERWISE;
	/* it is not shown: read, once more, and then taken at its word */
	if (o->leg == LEG_WRITE || o->leg == LEG_POLL)
		return OVER;
	return o->odd > 0 ? AS_ASKED : ODD;
}

static bool is_ours(const struct op *o, const struct answer *a) {
	const struct resource_facts *r = resource_of(a);
	return r->is_resource && span_ieq(r->id, o->spec.id);
}

/* ---- meanings ----------------------------------------------------------- */

/* Does the error concern the request, and not what it asks for? */
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

/* Is a 404 Azure Resource Manager's word that the resource, or what it is in,
   does not exist?  A proxy's page is not. */
static bool is_absence(const struct answer *a) {
	bool said = a->facts.json && a->facts.code.n > 0;
	bool bare = a->facts.json || a->http->body.n == 0;
	return !has_code_of_request(a) &&
	       (said || (bare && answer_is_azures(a)));
}

/* An update proves nothing by a 404; a delete may end well by it. */
static enum meaning meaning_of_404(const struct op *o, const struct answer *a) {
	if (o->spec.kind != OP_DELETE || o->leg == LEG_POLL || is_absence(a))
		return MISSING;
	return o->leg == LEG_WRITE || has_code_of_request(a) ? REFUSED : ODD;
}

/* What the synchronous call would have answered: the contract's word on what a
   Location holds in the end. */
static bool may_be_result(const struct op *o, const struct answer *a) {
	int status = a->http->status;
	return o->poll.source != POLL_ASYNC && a->facts.error &&
	       (status == 400 || status == 409 || status == 412);
}

/* An answer that is no 2xx, or none at all. */
static enum meaning meaning_of_failure(const struct op *o,
                                       const struct answer *a) {
	const struct reply *r = a->http;
	if (o->leg == LEG_WRITE && retry_ambiguous(r))
		return UNHEARD;
	if (r->error != NET_OK)
		return o->leg == LEG_WRITE ? REFUSED : UNHEARD;
	if (o->leg == LEG_POLL && is_about_request(a))
		return REFUSED;
	if (r->status == 404)
		return meaning_of_404(o, a);
	if (o->leg == LEG_POLL)
		return may_be_result(o, a) ? DENIED : UNHEARD;
	return REFUSED;
}

static enum meaning meaning_of_word(struct span word) {
	switch (poll_word(word)) {
	case POLL_SUCCEEDED:
		return OVER;
	case POLL_FAILED:
	case POLL_CANCELED:
		return FAILED;
	default:
		return RUNNING;
	}
}

/* Our resource.  No provisioningState at all means Succeeded. */
static enum meaning meaning_of_ours(const struct op *o,
                                    const struct answer *a) {
	struct span state = resource_of(a)->provisioning_state;
	enum meaning m = state.n > 0 ? meaning_of_word(state) : OVER;
	if (m != OVER)
		return m;
	if (state.n == 0 && a->facts.error)
		return DENIED;
	return meaning_of_final(o, a);
}

/* Something else at a URL that tells of the operation: believed as far as it
   speaks of that. */
static enum meaning meaning_of_other(const struct op *o,
                                     const struct answer *a) {
	const struct resource_facts *f = resource_of(a);
	bool location = o->leg == LEG_POLL && o->poll.source == POLL_LOCATION;
	/* over, but that proves no absence */
	enum meaning over = o->spec.kind == OP_DELETE ? OTHERWISE : OVER, m;
	if (f->provisioning_state.n > 0 && !f->odd_status) {
		m = meaning_of_word(f->provisioning_state);
		if (m == OVER && o->leg == LEG_WRITE)
			return over;
		return m == FAILED ? DENIED : m;
	}
	if (a->facts.error)
		return DENIED;
	if (a->http->body.n == 0)
		return OVER;
	if (f->connection_status.n > 0 && !f->odd_status)
		return over;
	/* a 200 at a Location says "over", whatever stands in it */
	return location && a->facts.json ? over : ODD;
}

/* Our resource where the operation's own URL was asked.  A status monitor that
   answers so shows an end only by being as asked. */
static enum meaning meaning_of_shown(const struct op *o,
                                     const struct answer *a) {
	const struct resource_facts *f = resource_of(a);
	bool shows = f->provisioning_state.n > 0 || f->connection_status.n > 0;
	enum meaning m = meaning_of_ours(o, a);
	if (o->leg != LEG_POLL)
		return m;
	if (f->odd_status || (!shows && o->poll.source != POLL_LOCATION))
		return ODD;
	return m == OTHERWISE && o->poll.source == POLL_ASYNC &&
	                       o->spec.kind != OP_DELETE
	               ? RUNNING
	               : m;
}

/* A 2xx to the write or to the polling URL. */
static enum meaning meaning_of_report(const struct op *o,
                                      const struct answer *a) {
	struct span word = resource_of(a)->status;
	int status = a->http->status;
	if (status == 204)
		return OVER;
	if (o->leg == LEG_WRITE && status != 200 && status != 201)
		return RUNNING; /* 202, or a 2xx that nobody promised */
	if (word.n > 0)
		return meaning_of_word(word);
	if (status == 202)
		return RUNNING;
	return is_ours(o, a) ? meaning_of_shown(o, a) : meaning_of_other(o, a);
}

/* A 2xx where the resource itself was asked for. */
static enum meaning meaning_of_look(const struct op *o,
                                    const struct answer *a) {
	if (a->http->status == 202)
		return RUNNING;
	if (a->http->status != 200)
		return ODD;
	if (is_ours(o, a))
		return meaning_of_ours(o, a);
	return a->facts.error ? REFUSED : ODD;
}

enum meaning meaning_of(const struct op *o, const struct answer *a) {
	int status = a->http->status;
	if (a->http->error != NET_OK || status < 200 || status >= 300)
		return meaning_of_failure(o, a);
	if (o->leg == LEG_WRITE || o->leg == LEG_POLL)
		return meaning_of_report(o, a);
	return meaning_of_look(o, a);
}

/* ---- steps: pieces ------------------------------------------------------ */

static int64_t asked_wait(const struct answer *a) {
	return http_retry_after(a->http, a->at.wall);
}

/* To that leg, when the answer or the default says so. */
static void later(struct op *o, const struct answer *a, enum op_leg leg) {
	op_move(o, leg, a->at.mono + poll_wait(&o->poll, asked_wait(a)));
}

static void at_once(struct op *o, const struct answer *a, enum op_leg leg) {
	op_move(o, leg, a->at.mono);
}

/* Somebody has said that it is over: the resource is read. */
static void confirm_at(struct op *o, int64_t when) {
	o->said = SAID_OVER;
	op_move(o, LEG_CONFIRM, when);
}

/* ... and was not as asked: an old copy, or the result. */
static void confirm_stale(struct op *o, const struct answer *a) {
	int64_t wait = poll_wait(&o->poll, asked_wait(a));
	if (++o->stale < MAX_STALE)
		confirm_at(o, a->at.mono + wait);
	else
		opfail_otherwise(o, a);
}

static void end_well(struct op *o) {
	op_done(o, o->spec.kind == OP_DELETE ? KEEP_NOTHING : KEEP_RESULT);
}

/* The newest polling URL.  True: there is one that may be asked. */
static bool follow(struct op *o, const struct answer *a) {
	struct poll_place here = { .base = op_request_url(o),
		                   .resource = o->spec.url,
		                   .api_version = o->spec.api_version,
		                   .origins = o->cfg->origins,
		                   .count = o->cfg->origin_count };
	poll_follow(&o->poll, a->http, &here);
	o->untrusted |= o->poll.untrusted;
	return o->poll.source != POLL_RESOURCE;
}

/* The write was accepted.  True: it has a polling URL, which comes first. */
static bool accepted(struct op *o, const struct answer *a) {
	bool followed = follow(o, a);
	o->known = KNOWN_ACCEPTED;
	o->changed = true;
	o->stale = 0;
	if (followed)
		later(o, a, LEG_POLL);
	return followed;
}

/* The failure that the settling look decides about. */
static void settle_failure(struct op *o, const struct answer *a) {
	opfail_describe(o, fail_kind_of(a->http->status), a);
	o->repeat = false;
	at_once(o, a, LEG_SETTLE);
}

/* ---- steps: the write --------------------------------------------------- */

static struct span tag_of(const struct op *o, const struct answer *a) {
	struct span header = reply_header(a->http, "etag");
	return o->head_tag && header.n > 0 ? header : answer_etag(a);
}

/* Is the ETag another one than the last write was guarded by?  Then that write
   can no longer be carried out, and what is read is what came of it. */
static bool has_moved(const struct op *o, const struct answer *a) {
	struct span tag = tag_of(o, a);
	return tag.n > 0 && o->etag.n > 0 && !span_eq(tag, buf_span(&o->etag));
}

/* What the next write guards itself with.  Refused and read again unchanged,
   the body's ETag gives way to the header's. */
static bool guard(struct op *o, const struct answer *a, bool was_refused) {
	struct span tag = tag_of(o, a);
	if (was_refused && span_eq(tag, buf_span(&o->etag))) {
		o->head_tag = true;
		tag = tag_of(o, a);
	}
	if (was_refused && tag.n > 0 && span_eq(tag, buf_span(&o->etag)) &&
	    ++o->same_tag > 1) { /* the first time it may be an old copy */
		opfail_tag(o);
		return false;
	}
	if (tag.n > MAX_TAG || !http_printable(tag)) {
		opfail_protocol(o, a, "the ETag cannot be given back", tag);
		return false;
	}
	buf_set(&o->etag, tag);
	if (o->etag.failed) { /* never write without the guard */
		op_stop(o, FAIL_LIMIT, "memory is short", a->at);
		return false;
	}
	return true;
}

/* Found, compared, and not so.  An earlier write whose answer was lost may have
   been carried out all the same, until the ETag shows that it was not. */
static void take_write(struct op *o, const struct answer *a) {
	struct span status = resource_of(a)->connection_status;
	bool was_refused = o->rounds > 0 && o->leg == LEG_READ;
	bool moved = o->leg == LEG_READ && has_moved(o, a);
	bool doubt = o->known == KNOWN_DOUBTFUL && !moved;
	if (o->spec.read_only) {
		opfail_read_only(o, a);
		return;
	}
	if (doubt && was_refused && ++o->stale < MAX_STALE) {
		later(o, a, LEG_READ); /* an old copy */
		return;
	}
	o->keep = o->leg == LEG_READ ? KEEP_BEFORE : KEEP_NOTHING;
	o->rejected = span_ieq(status, SPAN("Rejected")) ||
	              span_ieq(status, SPAN("Disconnected"));
	if (!guard(o, a, was_refused))
		return;
	if (!doubt)
		o->known = KNOWN_UNDONE;
	buf_clear(&o->word); /* it was the state before the write */
	buf_clear(&o->shown);
	at_once(o, a, LEG_WRITE);
}

static void take_read_again(struct op *o, const struct answer *a) {
	o->keep = KEEP_BEFORE;
	later(o, a, LEG_READ); /* somebody else's update comes first */
}

static void take_already(struct op *o, const struct answer *a) {
	(void)a;
	o->changed |= o->known == KNOWN_DOUBTFUL; /* it was carried out */
	op_done(o, o->changed ? KEEP_RESULT : KEEP_BEFORE);
}

/* It may have been carried out: looked at first, after the pause that another
   try would have made. */
static void take_unheard_write(struct op *o, const struct answer *a) {
	const struct retry_policy *p = &o->cfg->retry;
	int64_t delay = -1,
		asked = a->http->error == NET_OK ? asked_wait(a) : -1;
	opfail_describe(o, fail_kind_of(a->http->status), a);
	if (retry_worthwhile(p, a->http, a->facts.code))
		delay = retry_delay(p, o->tries, asked, op_draw(o));
	o->writes = o->tries;
	o->repeat = delay >= 0 && a->at.mono + delay < o->deadline;
	op_move(o, LEG_SETTLE, a->at.mono + (o->repeat ? delay : 0));
}

/* An error: it was not carried out by this try. */
static void take_refused_write(struct op *o, const struct answer *a) {
	bool beaten = a->http->error == NET_OK && a->http->status == 412 &&
	              o->spec.kind == OP_ENSURE && !o->spec.if_match.p;
	if (beaten && ++o->rounds < MAX_ROUNDS)
		at_once(o, a, LEG_READ); /* somebody wrote in between */
	else if (o->known == KNOWN_DOUBTFUL)
		settle_failure(o, a);
	else
		opfail_reply(o, a);
}

static void take_missing_write(struct op *o, const struct answer *a) {
	if (o->known == KNOWN_DOUBTFUL)
		end_well(o); /* an earlier try has deleted it */
	else
		opfail_reply(o, a);
}

static void take_poll_or_watch(struct op *o, const struct answer *a) {
	if (!accepted(o, a))
		later(o, a, LEG_WATCH);
}

/* Its own 200 shows the resource, which is not as asked.  Over is said by that
   200 alone, unless something else speaks of an operation. */
static void take_poll_or_look(struct op *o, const struct answer *a) {
	if (accepted(o, a))
		return;
	if (o->spec.kind == OP_DELETE)
		at_once(o, a, LEG_WATCH);
	else if (o->untrusted || asked_wait(a) > 0)
		later(o, a, LEG_WATCH);
	else
		confirm_stale(o, a);
}

static void take_poll_or_confirm(struct op *o, const struct answer *a) {
	if (!accepted(o, a))
		confirm_at(o, a->at.mono);
}

static void take_poll_or_done(struct op *o, const struct answer *a) {
	if (!accepted(o, a))
		end_well(o);
}

/* A 2xx with an error in it, or with nothing that is known. */
static void take_poll_or_settle(struct op *o, const struct answer *a) {
	if (accepted(o, a))
		return;
	if (a->facts.error) {
		settle_failure(o, a);
		o->said = SAID_DENIED;
		return;
	}
	o->known = KNOWN_DOUBTFUL; /* a proxy may have said it */
	opfail_nonsense(o, a, "the answer to the write makes no sense");
	o->repeat = false;
	at_once(o, a, LEG_SETTLE);
}

/* ---- steps: until the end ----------------------------------------------- */

static void take_poll(struct op *o, const struct answer *a) {
	later(o, a, follow(o, a) ? LEG_POLL : LEG_WATCH);
}

/* The polling URL serves no longer; a time-out reports why. */
static void take_watch(struct op *o, const struct answer *a) {
	opfail_describe(o, fail_kind_of(a->http->status), a);
	poll_resource(&o->poll);
	at_once(o, a, LEG_WATCH);
}

static void take_watch_on(struct op *o, const struct answer *a) {
	later(o, a, LEG_WATCH);
}

/* Its own state says that it is at work: when that is final, it is over. */
static void take_at_work(struct op *o, const struct answer *a) {
	if (a->http->status == 200)
		o->said = SAID_OVER;
	later(o, a, LEG_WATCH);
}

static void take_confirm(struct op *o, const struct answer *a) {
	confirm_at(o, a->at.mono);
}

static void take_stale(struct op *o, const struct answer *a) {
	confirm_stale(o, a);
}

static void take_watched(struct op *o, const struct answer *a) {
	if (o->said == SAID_OVER)
		confirm_stale(o, a);
	else
		later(o, a, LEG_WATCH);
}

/* How long 404 is borne: a new URL may be unknown for a while, and a copy of
   the resource be missing. */
static bool is_borne(struct op *o, const struct answer *a) {
	int64_t share;
	if (o->missing_since < 0)
		o->missing_since = a->at.mono;
	share = (o->deadline - o->missing_since) / MISSING_SHARE;
	return a->at.mono - o->missing_since <
	       (share < MAX_MISSING ? share : MAX_MISSING);
}

static void take_missing_url(struct op *o, const struct answer *a) {
	if (is_borne(o, a)) {
		later(o, a, LEG_POLL);
		if (o->not_before < o->deadline)
			return;
	}
	o->missing_since = -1;
	take_watch(o, a);
}

static void take_missing(struct op *o, const struct answer *a) {
	if (is_borne(o, a))
		later(o, a, o->leg);
	else
		opfail_reply(o, a);
}

static void take_odd_poll(struct op *o, const struct answer *a) {
	if (++o->odd < MAX_ODD) {
		take_poll(o, a);
		return;
	}
	opfail_nonsense(o, a, "the polls' answers make no sense");
	o->repeat = false;
	at_once(o, a, LEG_SETTLE);
}

static void take_odd(struct op *o, const struct answer *a) {
	if (++o->odd < MAX_ODD)
		later(o, a, o->leg);
	else
		opfail_protocol(o, a, "the answer is not the connection",
		                buf_span(&a->http->body));
}

static void take_odd_read(struct op *o, const struct answer *a) {
	const char *why = "the answer is not a JSON object";
	if (resource_of(a)->is_resource)
		why = "the answer is another resource";
	else if (a->facts.json)
		why = "the answer is not a resource";
	opfail_protocol(o, a, why, buf_span(&a->http->body));
}

/* ---- steps: settling ---------------------------------------------------- */

static void take_settle(struct op *o, const struct answer *a) {
	settle_failure(o, a);
}

static void take_denied(struct op *o, const struct answer *a) {
	settle_failure(o, a);
	o->said = SAID_DENIED;
}

static void take_settle_on(struct op *o, const struct answer *a) {
	later(o, a, LEG_SETTLE);
}

static void take_settled(struct op *o, const struct answer *a) {
	(void)a;
	o->changed = true;
	end_well(o);
}

static void take_give_up(struct op *o, const struct answer *a) {
	(void)a;
	op_failed(o);
}

/* May the write be sent again over what is there?  An unguarded update must
   not undo what somebody has decided since: that shows in a status that is
   neither Pending nor the one asked for. */
static bool may_overwrite(const struct op *o, const struct answer *a) {
	struct span status = resource_of(a)->connection_status;
	return o->spec.kind != OP_UPDATE || o->spec.if_match.p ||
	       status.n == 0 || span_ieq(status, SPAN("Pending")) ||
	       span_ieq(status, o->spec.status);
}

/* Was a later try refused because of an earlier one that was carried out? */
static bool may_be_effect(const struct op *o) {
	int status = o->fail.http_status;
	return o->known == KNOWN_DOUBTFUL &&
	       (status == 400 || status == 409 || status == 412) &&
	       !retry_is_lasting(buf_span(&o->fail.code));
}

/* The write has not done it, as far as this look shows.  Sent again if that is
   left; otherwise what refused it, or the operation's own error, stands. */
static void take_repeat(struct op *o, const struct answer *a) {
	if (o->repeat && may_overwrite(o, a)) {
		if (o->spec.kind == OP_DELETE)
			at_once(o, a, LEG_WRITE);
		else
			take_write(o, a);
		o->tries = o->writes;
		return;
	}
	if (may_be_effect(o) && ++o->stale < MAX_STALE) {
		later(o, a, LEG_SETTLE);
		return;
	}
	if (o->said == SAID_DENIED) {
		opfail_believe(o);
		o->known = KNOWN_DECIDED;
	}
	op_failed(o);
}

/* ---- steps: ends -------------------------------------------------------- */

static void take_fail(struct op *o, const struct answer *a) {
	opfail_reply(o, a);
}

static void take_failed(struct op *o, const struct answer *a) {
	if (o->leg == LEG_WRITE)
		o->changed = true;
	opfail_operation(o, a);
}

static void take_done(struct op *o, const struct answer *a) {
	(void)a;
	end_well(o);
}

/* ---- the tables --------------------------------------------------------- */

enum { END = -1 };
#define RULE_BY(name, function, says, ...)                                     \
	static const struct rule name = { says,                                \
		                          take_##function,                     \
		                          { __VA_ARGS__, END } }
#define RULE(name, says, ...) RULE_BY(name, name, says, __VA_ARGS__)

RULE(read_again, "READ later", LEG_READ);
RULE(write, "WRITE; in doubt: READ later", LEG_WRITE, LEG_READ, TO_FAILURE);
RULE(already, "done", TO_DONE);
RULE(unheard_write, "SETTLE, after a pause", LEG_SETTLE);
RULE(refused_write, "fail; 412: READ; in doubt: SETTLE", TO_FAILURE, LEG_READ,
     LEG_SETTLE);
RULE_BY(not_there, refused_write, "fail; in doubt: SETTLE", TO_FAILURE,
        LEG_SETTLE);
RULE(missing_write, "fail; in doubt: done", TO_FAILURE, TO_DONE);
RULE(poll_or_watch, "POLL, else WATCH", LEG_POLL, LEG_WATCH);
RULE(poll_or_look, "POLL, else CONFIRM or WATCH", LEG_POLL, LEG_CONFIRM,
     LEG_WATCH);
RULE(poll_or_confirm, "POLL, else CONFIRM", LEG_POLL, LEG_CONFIRM);
RULE(poll_or_done, "POLL, else done", LEG_POLL, TO_DONE);
RULE(poll_or_settle, "POLL, else SETTLE", LEG_POLL, LEG_SETTLE);
RULE(poll, "POLL later", LEG_POLL, LEG_WATCH);
RULE(watch, "WATCH", LEG_WATCH);
RULE(watch_on, "WATCH later", LEG_WATCH);
RULE(at_work, "WATCH later", LEG_WATCH);
RULE(watched, "WATCH later; over: CONFIRM", LEG_WATCH, LEG_CONFIRM);
RULE(confirm, "CONFIRM", LEG_CONFIRM);
RULE(stale, "CONFIRM, 5 looks; operation", LEG_CONFIRM, TO_FAILURE);
RULE(missing_url, "POLL for a while; WATCH", LEG_POLL, LEG_WATCH);
RULE(missing, "again for a while; fail", TO_ITSELF, TO_FAILURE);
RULE(odd_poll, "POLL, 3 times; SETTLE", LEG_POLL, LEG_SETTLE);
RULE(odd, "again, 3 times; fail", TO_ITSELF, TO_FAILURE);
RULE(odd_read, "fail", TO_FAILURE);
RULE(settle, "SETTLE", LEG_SETTLE);
RULE(denied, "SETTLE", LEG_SETTLE);
RULE(settle_on, "SETTLE later", LEG_SETTLE);
RULE(settled, "done", TO_DONE);
RULE(give_up, "fail as before", TO_FAILURE);
RULE(repeat, "WRITE again; in doubt: 5 looks; fail as before", LEG_WRITE,
     LEG_SETTLE, TO_FAILURE);
RULE(fail, "fail", TO_FAILURE);
RULE(failed, "operation", TO_FAILURE);
RULE(done, "done", TO_DONE);

/* clang-format off */
static const struct rule *const rules[BOOKS][LEGS][MEANINGS] = {
	[BOOK_WRITE] = {
		[LEG_READ] = { /* ensure's */
			[UNHEARD] = &fail,          [REFUSED] = &fail,
			[MISSING] = &fail,          [DENIED] = &write,
			[RUNNING] = &read_again,    [AS_ASKED] = &already,
			[OTHERWISE] = &write,       [FAILED] = &write,
			[ODD] = &odd_read },
		[LEG_WRITE] = {
			[UNHEARD] = &unheard_write, [REFUSED] = &refused_write,
			[MISSING] = &not_there,     [DENIED] = &poll_or_settle,
			[RUNNING] = &poll_or_watch, [OVER] = &poll_or_confirm,
			[AS_ASKED] = &poll_or_done, [OTHERWISE] = &poll_or_look,
			[FAILED] = &failed,         [ODD] = &poll_or_settle },
		[LEG_POLL] = {
			[UNHEARD] = &settle,        [REFUSED] = &watch,
			[MISSING] = &missing_url,   [DENIED] = &denied,
			[RUNNING] = &poll,          [OVER] = &confirm,
			[AS_ASKED] = &done,         [OTHERWISE] = &stale,
			[FAILED] = &failed,         [ODD] = &odd_poll },
		[LEG_WATCH] = {
			[UNHEARD] = &fail,          [REFUSED] = &fail,
			[MISSING] = &missing,       [DENIED] = &failed,
			[RUNNING] = &at_work,       [AS_ASKED] = &done,
			[OTHERWISE] = &watched,     [FAILED] = &failed,
			[ODD] = &odd },
		[LEG_CONFIRM] = {
			[UNHEARD] = &fail,          [REFUSED] = &fail,
			[MISSING] = &missing,       [DENIED] = &failed,
			[RUNNING] = &at_work,       [AS_ASKED] = &done,
			[OTHERWISE] = &stale,       [FAILED] = &failed,
			[ODD] = &odd },
		[LEG_SETTLE] = {
			[UNHEARD] = &give_up,       [REFUSED] = &give_up,
			[MISSING] = &give_up,       [DENIED] = &repeat,
			[RUNNING] = &settle_on,     [AS_ASKED] = &settled,
			[OTHERWISE] = &repeat,      [FAILED] = &repeat,
			[ODD] = &give_up },
	},
	[BOOK_DELETE] = { /* it is never AS_ASKED: OTHERWISE is still there */
		[LEG_WRITE] = {
			[UNHEARD] = &unheard_write, [REFUSED] = &refused_write,
			[MISSING] = &missing_write, [DENIED] = &poll_or_settle,
			[RUNNING] = &poll_or_watch, [OVER] = &poll_or_done,
			[OTHERWISE] = &poll_or_look, [FAILED] = &failed,
			[ODD] = &poll_or_settle },
		[LEG_POLL] = {
			[UNHEARD] = &settle,        [REFUSED] = &watch,
			[MISSING] = &watch,         [DENIED] = &denied,
			[RUNNING] = &poll,          [OVER] = &done,
			[OTHERWISE] = &watch,       [FAILED] = &failed,
			[ODD] = &odd_poll },
		[LEG_WATCH] = {
			[UNHEARD] = &fail,          [REFUSED] = &fail,
			[MISSING] = &done,          [DENIED] = &failed,
			[RUNNING] = &watch_on,      [OTHERWISE] = &watch_on,
			[FAILED] = &failed,         [ODD] = &odd },
		[LEG_SETTLE] = {
			[UNHEARD] = &give_up,       [REFUSED] = &give_up,
			[MISSING] = &settled,       [DENIED] = &repeat,
			[RUNNING] = &settle_on,     [OTHERWISE] = &repeat,
			[FAILED] = &repeat,         [ODD] = &give_up },
	},
};
/* clang-format on */

const struct rule *op_rule(enum book book, enum op_leg leg, enum meaning m) {
	return rules[book][leg][m];
}

const char *op_leg_name(enum op_leg leg) {
	static const char *const names[] = { "READ",  "WRITE",   "POLL",
		                             "WATCH", "CONFIRM", "SETTLE" };
	return names[leg];
}

const char *op_meaning_name(enum meaning m) {
	static const char *const names[] = { "unheard",  "refused",   "missing",
		                             "denied",   "running",   "over",
		                             "as asked", "otherwise", "failed",
		                             "odd" };
	return names[m];
}

void op_judge(struct op *o, const struct answer *a) {
	enum book book = o->spec.kind == OP_DELETE ? BOOK_DELETE : BOOK_WRITE;
	enum meaning m = meaning_of(o, a);
	const struct rule *rule = rules[book][o->leg][m];
	o->judged_leg = (unsigned char)o->leg;
	o->judged_meaning = (unsigned char)m;
	if (m != MISSING)
		o->missing_since = -1;
	if (m != ODD)
		o->odd = 0;
	if (rule)
		rule->take(o, a);
	else /* explore shows that this does not happen */
		opfail_protocol(o, a, "the answer makes no sense",
		                buf_span(&a->http->body));
}
