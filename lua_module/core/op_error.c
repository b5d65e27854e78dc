/* op_error.c -- the error messages of an operation. */
#include "core/op_error.h"

#include "core/advice.h"

/* Text of the service's: should it echo our token, it is taken out. */
static void add_foreign(struct op *o, struct span text) {
	struct span list[OP_SECRETS];
	fail_add_without(&o->fail, text, op_secrets(o, list));
}

void op_error_note(struct op *o, struct buf *out, struct span text) {
	struct span list[OP_SECRETS];
	buf_clear(out);
	redact_add(out, text, op_secrets(o, list), buf_max(out));
}

/* The way out of a change that the status before the write makes impossible. */
static const char *way_out(const struct op *o) {
	const struct transition_rule *rule =
		op_writes(o) ? o->change.transition : NULL;
	return rule && rule->result == TRANSITION_IMPOSSIBLE ? rule->way_out
	                                                     : NULL;
}

/* Does the status before the write explain this refusal? */
static bool is_impossible(const struct op *o, int status) {
	return way_out(o) && (status == 400 || status == 409);
}

#define RIGHT(what)                                                            \
	"the identity needs Microsoft.Batch/batchAccounts/"                    \
	"privateEndpointConnections/" what                                     \
	" on the Batch account" WHEN_GRANTED

const char op_policy_off[] = "a policy requires a policy token: use "
			     "policy_token = \"auto\" to acquire one";
const char op_policy_change[] =
	"a policy requires a change reference: give change_reference (the id "
	"of the approved change)";
const char op_policy_rejected[] =
	"the service rejects the policy token that it issued: give the request "
	"id to the policy's owner or to Azure support";
const char op_policy_slow[] = "the policies' evaluation takes longer: give it "
			      "more time (`timeout`)";
const char op_policy_none[] = "policy_token = \"auto\" acquires a policy token "
			      "only if a policy requires one";
static const char denied_by_policy[] =
	"the policy's evaluation does not allow this: if the policy requires a "
	"change, give change_reference; its owner can also change the policy "
	"or "
	"grant an exemption; a role does not help";
static const char denied_with_change[] =
	"the policy's evaluation does not allow this: check change_reference; "
	"the policy's owner can also change the policy or grant an exemption; "
	"a role does not help";
static const char unevaluated[] =
	"the policy's evaluation failed, which is no denial: try again later; "
	"if it fails again, give the request id to the policy's owner";
static const char right_of_policy[] =
	"the identity needs Microsoft.Authorization/acquirePolicyToken/action "
	"on the subscription, and the right to make the change "
	"itself" WHEN_GRANTED;

static const char *hint_of_rights(const struct op *o) {
	if (op_acquires(o))
		return right_of_policy;
	if (o->leg == LEG_POLL)
		return "the identity may write but not poll: it also needs "
		       "Microsoft.Batch/batchAccounts/"
		       "privateEndpointConnectionResults/read (or "
		       "...ProxyResults/read); the operation continues and can "
		       "be resumed";
	if (o->spec.needs)
		return o->spec.needs;
	if (!op_writes(o) || o->leg != LEG_WRITE)
		return RIGHT("read");
	return o->spec.kind == OP_DELETE ? RIGHT("delete") : RIGHT("write");
}

static const char rejected[] =
	"the token was rejected: check that it is for this tenant, this cloud "
	"and the management endpoint";
static const char claims_needed[] =
	"the service requires a token with new claims (conditional access): a "
	"token function must request its token with `claims`; otherwise sign "
	"in again";

static const char *hint_of_status(const struct op *o, int status) {
	if (status == 403)
		return hint_of_rights(o);
	if (status == 404 && op_acquires(o))
		return op_policy_none;
	if (status == 404 && o->leg != LEG_POLL)
		return "check the subscription, resource group, account and "
		       "full connection name (it usually ends in a GUID)";
	if (status == 401)
		return o->claims.n > 0 ? claims_needed : rejected;
	if (status == 412)
		return "the connection changed after its ETag was read: read "
		       "it again, then decide";
	if (status == 503)
		return "the service is busy: try again later";
	if (status == 407)
		return "a proxy requires authentication: give user name and "
		       "password in its URL (`proxy` or HTTPS_PROXY)";
	if (status >= 300 && status < 400)
		return "redirects are never followed with a token: check for a "
		       "proxy or captive portal";
	return NULL;
}

/* True for an answer of another server: Azure Resource Manager answers in
   JSON. */
static bool is_foreign(const struct answer *a) {
	const struct reply *r = a->http;
	struct span type = reply_header(r, "content-type");
	return !a->facts.json && r->body.n > 0 &&
	       !span_istarts(type, SPAN("application/json")) &&
	       !answer_is_azures(a);
}

static const char not_azure[] =
	"the response is not from Azure Resource Manager: check for a proxy or "
	"captive portal (see `proxy` and HTTPS_PROXY)";

/* The hint of the error's code; NULL: none. */
static const char *hint_of_code(const struct op *o) {
	const struct advice *a = advice_for(buf_span(&o->fail.code));
	return a ? a->hint : NULL;
}

bool op_error_advised(const struct op *o) {
	return hint_of_code(o) && !span_ieq(buf_span(&o->fail.code),
	                                    SPAN("ExpiredAuthenticationToken"));
}

static const char maybe_ours[] =
	"an earlier attempt may have caused this: read the connection, or "
	"resume with the continuation token, before you try again";

/* The code tells more than the status.  A write in doubt may explain both. */
static const char *hint_for(const struct op *o, const struct answer *a) {
	int status = a->http->status;
	if (is_impossible(o, status))
		return way_out(o);
	if (o->known == KNOWN_DOUBTFUL && (status == 409 || status == 412) &&
	    !advice_lasts(buf_span(&o->fail.code)))
		return maybe_ours;
	if (hint_of_code(o))
		return hint_of_code(o);
	if (is_foreign(a) && status != 407)
		return not_azure;
	return hint_of_status(o, status);
}

/* The tenant at the end of a challenge's authorization_uri, as Azure Resource
   Manager writes it; absent: it names none. */
static struct span tenant_of(struct buf *uri, const struct answer *a) {
	struct span rest = NO_SPAN, tenant = NO_SPAN;
	if (http_challenge(a->http, "Bearer", "authorization_uri", uri))
		rest = url_without_slashes(buf_span(uri));
	while (rest.n > 0)
		tenant = span_cut(&rest, '/');
	return span_only(tenant, CHAR_ALNUM, ".-") ? tenant : NO_SPAN;
}

/* A token of another tenant than the subscription's: which one that is. */
static void advise_tenant(struct op *o, const struct answer *a) {
	struct buf uri, *out = &o->fail.advice;
	struct span tenant;
	if (!span_ieq(buf_span(&o->fail.code),
	              SPAN("InvalidAuthenticationTokenTenant")))
		return;
	buf_init(&uri, o->cfg->mem, OP_MAX_TEXT);
	tenant = tenant_of(&uri, a);
	if (tenant.n > 0) {
		buf_set(out, SPAN("the subscription belongs to tenant "));
		buf_add(out, tenant);
		buf_adds(out, ": run az login --tenant ");
		buf_add(out, tenant);
		buf_adds(out, " (azd auth login --tenant-id ");
		buf_add(out, tenant);
		buf_adds(out, "), or give it as tenant_id");
		fail_advise(&o->fail);
	}
	buf_free(&uri);
}

static void describe_net(struct op *o, const struct reply *r) {
	struct fail *f = &o->fail;
	fail_set(f, fail_kind_of_net(r->error), op_phase(o),
	         net_error_text(r->error));
	f->retryable = r->error != NET_CERT && r->error != NET_PROXY_CERT &&
	               r->error != NET_CA && r->error != NET_URL &&
	               r->error != NET_TOO_BIG &&
	               r->error != NET_PROXY_REFUSED &&
	               r->error != NET_PROXY_AUTH;
	if (r->note.n > 0) {
		buf_adds(&f->message, ": ");
		add_foreign(o, buf_span(&r->note));
	}
	f->hint = net_error_hint(r->error);
}

/* The URL without its query, which may contain a secret. */
static struct span without_query(struct span url) {
	return (struct span){ url.p, span_cspn(url, "?#") };
}

/* Adds that the body is not JSON, and what its Content-Type says. */
static void add_broken(struct op *o, struct span type) {
	struct buf *m = &o->fail.message;
	bool claims_json = span_icontains(type, SPAN("json"));
	buf_adds(m, claims_json ? "the response says "
	                        : "the response is not JSON");
	if (!claims_json)
		buf_adds(m, type.n > 0 ? " but " : " (no Content-Type)");
	add_foreign(o, type);
	buf_adds(m, claims_json ? " but is not valid JSON: " : ": ");
}

/* Adds the body itself, because no text was found in it. */
static void add_body(struct op *o, const struct answer *a) {
	if (a->facts.json)
		buf_adds(&o->fail.message, "no error message in ");
	else if (a->facts.broken)
		add_broken(o, reply_header(a->http, "content-type"));
	add_foreign(o, buf_span(&a->http->body));
}

/* Adds the service's error code and text.  A status monitor's status is
   preferred over a resource's provisioningState. */
static void describe_body(struct op *o, const struct answer *a) {
	const struct resource_facts *f = resource_of(a);
	struct buf *m = &o->fail.message;
	struct span code = answer_code(a);
	op_error_note(o, &o->fail.code, code);
	op_error_note(o, &o->fail.target, a->facts.target);
	if (code.n > 0) {
		add_foreign(o, code);
		buf_adds(m, ": ");
	}
	if (a->facts.message.n > 0) {
		add_foreign(o, a->facts.message);
		if (a->facts.more.n > 0)
			buf_adds(m, m->p && m->p[m->n - 1] == '.' ? " " : ": ");
		add_foreign(o, a->facts.more);
	} else if (f->provisioning_state.n > 0 && f->status.n == 0) {
		buf_adds(m, "the resource's provisioningState is ");
		add_foreign(o, f->provisioning_state);
	} else if (a->http->body.n == 0) {
		buf_adds(m, "empty response");
	} else {
		add_body(o, a);
	}
}

/* Adds the facts of the answer around the body. */
static void describe_answer(struct op *o, const struct answer *a) {
	struct fail *f = &o->fail;
	f->http_status = a->http->status;
	f->retry_after = http_retry_after(a->http, a->at.wall);
	f->body = true;
	o->keep = KEEP_ERROR;
	if (a->http->status / 100 == 3) {
		buf_adds(&f->message, ", redirect to ");
		add_foreign(o,
		            without_query(reply_header(a->http, "location")));
	}
	buf_adds(&f->message, " (HTTP ");
	buf_addint(&f->message, a->http->status);
	buf_adds(&f->message, ")");
}

const char op_not_json[] = "the response is not a JSON object";

static void describe_unexpected(struct op *o, const struct answer *a,
                                const char *why, struct span detail) {
	fail_set(&o->fail, FAIL_PROTOCOL, op_phase(o), why);
	o->fail.http_status = a->http->status;
	o->fail.retryable = answer_is_garbled(a);
	if (detail.n > 0) {
		buf_adds(&o->fail.message, ": ");
		add_foreign(o, detail);
	}
	if (is_foreign(a))
		o->fail.hint = not_azure;
}

/* The rest of a policy token is not shown. */
static void describe_garbled(struct op *o, const struct answer *a) {
	describe_unexpected(o, a, op_not_json,
	                    op_acquires(o) ? NO_SPAN
	                                   : buf_span(&a->http->body));
}

void op_error_describe(struct op *o, enum fail_kind kind,
                       const struct answer *a) {
	const struct advice *advice;
	if (a->http->error != NET_OK) {
		describe_net(o, a->http);
		return;
	}
	if (answer_is_garbled(a)) {
		describe_garbled(o, a);
		return;
	}
	fail_set(&o->fail, kind, op_phase(o), "");
	describe_body(o, a);
	describe_answer(o, a);
	advice = advice_for(buf_span(&o->fail.code));
	if (advice && advice->kind != FAIL_NONE)
		o->fail.kind = advice->kind;
	o->fail.retryable =
		!is_impossible(o, a->http->status) &&
		retry_passes(&o->cfg->retry, a->http, answer_code(a));
	o->fail.hint = hint_for(o, a);
	advise_tenant(o, a);
}

void op_error_reply(struct op *o, const struct answer *a) {
	op_error_describe(o, fail_kind_of(a->http->status), a);
	op_failed(o);
}

void op_error_unexpected(struct op *o, const struct answer *a,
                         const char *why) {
	describe_unexpected(o, a, why, buf_span(&a->http->body));
}

void op_error_protocol(struct op *o, const struct answer *a, const char *why,
                       struct span detail) {
	describe_unexpected(o, a, why, detail);
	op_failed(o);
}

/* A resource's own "status" does not report the operation: then its
   provisioningState does. */
static bool was_canceled(const struct resource_facts *f) {
	enum poll_verdict verdict = poll_verdict_of(f->status);
	if (verdict == POLL_RUNNING)
		verdict = poll_verdict_of(f->provisioning_state);
	return verdict == POLL_CANCELED;
}

/* The service reports the end of the operation itself: Failed or Canceled. */
void op_error_operation(struct op *o, const struct answer *a) {
	o->known = KNOWN_DECIDED;
	fail_set(&o->fail, FAIL_OPERATION, op_phase(o),
	         was_canceled(resource_of(a)) ? "the operation was canceled: "
	                                      : "the operation failed: ");
	describe_body(o, a);
	describe_answer(o, a);
	if (way_out(o))
		o->fail.hint = way_out(o);
	op_failed(o);
}

void op_error_believe(struct op *o) {
	op_begin_message(o, "the operation failed: ");
	o->fail.kind = FAIL_OPERATION;
	o->fail.retryable = false;
	o->fail.hint = way_out(o);
}

void op_error_different(struct op *o, const struct answer *a) {
	o->known = KNOWN_DECIDED;
	fail_set(&o->fail, FAIL_OPERATION, PHASE_RESULT,
	         "the operation ended, but the connection is ");
	fail_add(&o->fail, resource_of(a)->connection_status);
	buf_adds(&o->fail.message, " and not ");
	buf_add(&o->fail.message, o->spec.status);
	o->fail.http_status = a->http->status;
	op_failed(o);
}

/* What was just put into o->fail, as the reason why there is no policy token,
   behind the service's refusal of the write if that is what asked for one.
   That refusal's body is kept; this answer's may have a token in it.  The kind
   is the refusal's, unless a later try may acquire the token. */
static void say_no_token(struct op *o, struct fail *refusal) {
	struct fail why = o->fail;
	if (o->change.policy->refused) {
		o->fail = *refusal;
		buf_adds(&o->fail.message,
		         "; could not acquire a policy token: ");
		buf_add(&o->fail.message, buf_span(&why.message));
		fail_copy_hint(&o->fail, &why);
		if (why.retryable)
			o->fail.kind = why.kind;
		o->fail.retryable = why.retryable;
		o->fail.retry_after = why.retry_after;
		o->fail.phase = PHASE_POLICY;
		fail_free(&why);
	} else {
		buf_move(&o->fail.request_id, &refusal->request_id);
		buf_move(&o->fail.correlation_id, &refusal->correlation_id);
		fail_free(refusal);
		op_begin_message(o, "could not acquire a policy token: ");
	}
	if (o->change.policy->refused || o->fail.http_status < 300)
		o->keep = KEEP_NOTHING;
	o->fail.body &= o->fail.http_status >= 300;
	if (op_untouched(o))
		buf_adds(&o->fail.message, "; nothing was written");
}

void op_error_policy(struct op *o, const struct answer *a, const char *why) {
	struct fail refusal = o->fail;
	fail_init(&o->fail, o->cfg->mem);
	if (why)
		describe_unexpected(o, a, why, NO_SPAN);
	else
		op_error_describe(o, fail_kind_of(a->http->status), a);
	say_no_token(o, &refusal);
}

static const char no_evaluation[] = "the policy evaluation failed";

static const char *hint_of_evaluation(const struct op *o,
                                      const struct policy_facts *f) {
	if (!f->denied)
		return unevaluated;
	return o->spec.change_reference.p ? denied_with_change
	                                  : denied_by_policy;
}

void op_error_note_evaluation(struct op *o, const struct policy_facts *f) {
	struct policy *p = o->change.policy;
	op_error_note(o, &p->name, f->policy);
	op_error_note(o, &p->verdict,
	              f->verdict.n > 0 ? f->verdict : f->result);
	op_error_note(o, &p->reason,
	              f->reason.n > 0 ? f->reason : span_of(no_evaluation));
}

/* The answer was a success, so it gives the error no HTTP status: only the
   refusal before it has one. */
void op_error_evaluation(struct op *o, const struct answer *a) {
	const struct policy_facts *f = policy_of(a);
	struct fail refusal = o->fail;
	fail_init(&o->fail, o->cfg->mem);
	fail_set(&o->fail, f->denied ? FAIL_FORBIDDEN : FAIL_SERVICE,
	         PHASE_POLICY, "");
	add_foreign(o, f->reason);
	if (f->reason.n == 0)
		buf_adds(&o->fail.message, no_evaluation);
	o->fail.retryable = !f->denied || policy_wait(a) >= 0;
	if (policy_wait(a) > 0)
		o->fail.retry_after = policy_wait(a);
	o->fail.hint = hint_of_evaluation(o, f);
	say_no_token(o, &refusal);
}

void op_error_tag(struct op *o) {
	fail_set(&o->fail, FAIL_PRECONDITION, PHASE_REQUEST,
	         "the service rejects the ETag that it returned, although the "
	         "connection has not changed (HTTP 412)");
	o->fail.http_status = 412;
	o->fail.hint = "a proxy may be changing ETags: see `proxy`, or give "
		       "if_match = \"*\"";
	op_failed(o);
}

void op_error_read_only(struct op *o, const struct answer *a) {
	struct span status = resource_of(a)->connection_status;
	fail_set(&o->fail, FAIL_PRECONDITION, PHASE_REQUEST,
	         "the connection is not in the requested state and no "
	         "operation is running; nothing was written");
	if (status.n > 0) {
		buf_adds(&o->fail.message, ": its status is ");
		add_foreign(o, status);
	}
	o->fail.hint = "to send the update again, resume with write = true";
	op_failed(o);
}

void op_error_decided(struct op *o, struct span status) {
	fail_set(&o->fail, FAIL_PRECONDITION, PHASE_REQUEST,
	         "the connection was changed by another writer, so ");
	buf_adds(&o->fail.message, op_untouched(o)
	                                   ? "nothing was written"
	                                   : "the write was not sent again");
	buf_adds(&o->fail.message, ": its status was ");
	add_foreign(o, buf_span(&o->change.found));
	buf_adds(&o->fail.message, " and is ");
	add_foreign(o, status);
	o->fail.hint = "request it again if it is to replace that decision";
	op_failed(o);
}

void op_error_veto(struct op *o, struct span why) {
	o->vetoed = true;
	fail_set(&o->fail, FAIL_CANCELED, PHASE_REQUEST, "");
	add_foreign(o, why);
	if (op_unknown(o))
		buf_adds(&o->fail.message,
		         "; an earlier attempt got no "
		         "response and may have taken effect");
	else if (op_untouched(o))
		buf_adds(&o->fail.message, "; nothing was written");
	op_failed(o);
}

void op_error_next(struct op *o) {
	static const struct {
		enum fail_kind kind;
		const char *words;
	} ways[] = {
		[WAY_FOREIGN] = { FAIL_UNTRUSTED, "the link to the next page "
		                                  "is on another origin" },
		[WAY_CIRCLE] = { FAIL_PROTOCOL, "the list loops: the next page "
		                                "was already requested" },
		[WAY_NONE] = { FAIL_PROTOCOL,
		               "the service has more rows than it returns" },
	};
	struct span url = without_query(op_next_url(o));
	fail_set(&o->fail, ways[o->pages.way].kind, PHASE_REQUEST,
	         ways[o->pages.way].words);
	if (url.n > 0)
		buf_adds(&o->fail.message, ": ");
	add_foreign(o, url);
	op_failed(o);
}
