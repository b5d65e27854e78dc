/* opfail.c -- finds the words for what went wrong with an operation. */
#include "opfail.h"

#include "advice.h"

/* Text of the service's: should it echo our token, it is taken out. */
static void add_foreign(struct op *o, struct span text) {
	const struct buf *token = o->cfg->token;
	struct span secret = token ? buf_span(token) : NO_SPAN;
	fail_add_without(&o->fail, text, (struct secrets){ &secret, 1 });
}

void opfail_note(struct op *o, struct buf *out, struct span text) {
	const struct buf *token = o->cfg->token;
	struct span secret = token ? buf_span(token) : NO_SPAN;
	buf_clear(out);
	fail_redact(out, text, (struct secrets){ &secret, 1 }, out->max);
}

/* "Manage Azure private endpoints": a denied connection stays denied. */
static const char gone_for_good[] =
	"a rejected or disconnected connection cannot be approved again: "
	"delete it and have the private endpoint's owner create a new one";

#define RIGHT(what)                                                            \
	"the identity needs Microsoft.Batch/batchAccounts/"                    \
	"privateEndpointConnections/" what                                     \
	" on the Batch account" WHEN_GRANTED

static const char *hint_of_rights(const struct op *o) {
	if (o->leg == LEG_POLL)
		return "the identity may write but not poll: it also needs "
		       "Microsoft.Batch/batchAccounts/"
		       "privateEndpointConnectionResults/read (or "
		       "...ProxyResults/read); the operation goes on and can "
		       "be resumed";
	if (o->spec.needs)
		return o->spec.needs;
	return op_writes(o) && o->leg == LEG_WRITE ? RIGHT("write")
	                                           : RIGHT("read");
}

static const char *hint_of_status(const struct op *o, int status) {
	if (status == 403)
		return hint_of_rights(o);
	if (status == 404 && o->leg != LEG_POLL)
		return "check subscription, resource group, account and the "
		       "connection's whole name (it usually ends in a GUID)";
	if (status == 401)
		return "the token was not accepted: is it for this tenant, "
		       "this cloud and the management endpoint?";
	if (status == 412)
		return "somebody changed the connection since its ETag was "
		       "read: read it again and decide anew";
	if (status == 407)
		return "a proxy in the way asks for authentication";
	if (status >= 300 && status < 400)
		return "redirects are never followed with a token: a proxy or "
		       "a captive portal may be in the way";
	return NULL;
}

/* Azure Resource Manager answers in JSON. */
static bool is_foreign(const struct answer *a) {
	const struct reply *r = a->http;
	struct span type = reply_header(r, "content-type");
	return !a->facts.json && r->body.n > 0 &&
	       !span_istarts(type, SPAN("application/json")) &&
	       !answer_is_azures(a);
}

static const char not_azure[] =
	"this answer is not Azure Resource Manager's: is a proxy or a captive "
	"portal in the way? See `proxy` and HTTPS_PROXY";

bool opfail_advised(const struct op *o) {
	const struct advice *a = advice_for(buf_span(&o->fail.code));
	return a && a->hint;
}

static const char maybe_ours[] =
	"this may be the effect of the earlier try: read the connection, or "
	"resume with the continuation token, before you decide anew";

/* The code says more than the status, and a lost try may explain both. */
static const char *hint_for(const struct op *o, const struct answer *a) {
	int status = a->http->status;
	if (o->rejected && (status == 400 || status == 409))
		return gone_for_good;
	if (o->known == KNOWN_DOUBTFUL && (status == 409 || status == 412) &&
	    !retry_is_lasting(buf_span(&o->fail.code)))
		return maybe_ours;
	if (opfail_advised(o))
		return advice_for(buf_span(&o->fail.code))->hint;
	if (is_foreign(a) && status != 407)
		return not_azure;
	return hint_of_status(o, status);
}

static void describe_net(struct op *o, const struct reply *r) {
	struct fail *f = &o->fail;
	fail_set(f, fail_kind_of_net(r->error), op_phase(o),
	         net_error_text(r->error));
	f->retryable = r->error != NET_CERT && r->error != NET_CA &&
	               r->error != NET_URL && r->error != NET_TOO_BIG &&
	               r->error != NET_PROXY_REFUSED &&
	               r->error != NET_PROXY_AUTH;
	if (r->note.n > 0) {
		buf_adds(&f->message, ": ");
		add_foreign(o, buf_span(&r->note));
	}
	if (r->error == NET_CERT)
		f->hint = "if the endpoint's certificate comes from a "
			  "company's own authority, name its CA file "
			  "(ca_file, or SSL_CERT_FILE)";
	if (r->error == NET_PROXY_AUTH)
		f->hint = http_proxy_hint;
}

/* A URL without what may be a secret in it. */
static struct span without_query(struct span url) {
	size_t n = 0;
	while (n < url.n && url.p[n] != '?' && url.p[n] != '#')
		n++;
	return (struct span){ url.p, n };
}

/* The body itself, where no text was found in it. */
static void add_body(struct op *o, const struct answer *a) {
	struct buf *m = &o->fail.message;
	struct span type = reply_header(a->http, "content-type");
	if (a->facts.json) {
		buf_adds(m, "no message in ");
	} else if (a->facts.broken) {
		buf_adds(m, "not JSON but ");
		add_foreign(o, type.n > 0 ? type : SPAN("something else"));
		buf_adds(m, ": ");
	}
	add_foreign(o, buf_span(&a->http->body));
}

/* What the service calls the error, as far as it calls it anything.  Where a
   monitor's word says it, a resource's state beside it does not. */
static void describe_body(struct op *o, const struct answer *a) {
	const struct resource_facts *f = resource_of(a);
	struct buf *m = &o->fail.message;
	struct span code = reply_header(a->http, "x-ms-error-code");
	if (a->facts.code.n > 0)
		code = a->facts.code;
	opfail_note(o, &o->fail.code, code);
	opfail_note(o, &o->fail.target, a->facts.target);
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
		buf_adds(m, "no message");
	} else {
		add_body(o, a);
	}
}

/* The answer around that body. */
static void describe_answer(struct op *o, const struct answer *a) {
	struct fail *f = &o->fail;
	f->http_status = a->http->status;
	f->retry_after = http_retry_after(a->http, a->at.wall);
	f->body = true;
	o->keep = KEEP_ERROR;
	if (a->http->status >= 300 && a->http->status < 400) {
		buf_adds(&f->message, ", redirect to ");
		add_foreign(o,
		            without_query(reply_header(a->http, "location")));
	}
	buf_adds(&f->message, " (HTTP ");
	buf_addint(&f->message, a->http->status);
	buf_adds(&f->message, ")");
}

void opfail_describe(struct op *o, enum fail_kind kind,
                     const struct answer *a) {
	const struct advice *advice;
	if (a->http->error != NET_OK) {
		describe_net(o, a->http);
		return;
	}
	fail_set(&o->fail, kind, op_phase(o), "");
	describe_body(o, a);
	describe_answer(o, a);
	advice = advice_for(buf_span(&o->fail.code));
	if (advice && advice->kind != FAIL_NONE)
		o->fail.kind = advice->kind;
	o->fail.retryable =
		retry_worthwhile(&o->cfg->retry, a->http, a->facts.code);
	o->fail.hint = hint_for(o, a);
}

void opfail_reply(struct op *o, const struct answer *a) {
	opfail_describe(o, fail_kind_of(a->http->status), a);
	op_failed(o);
}

static void describe_nonsense(struct op *o, const struct answer *a,
                              const char *why, struct span detail) {
	fail_set(&o->fail, FAIL_PROTOCOL, op_phase(o), why);
	o->fail.http_status = a->http->status;
	if (detail.n > 0) {
		buf_adds(&o->fail.message, ": ");
		add_foreign(o, detail);
	}
	if (is_foreign(a))
		o->fail.hint = not_azure;
}

void opfail_nonsense(struct op *o, const struct answer *a, const char *why) {
	describe_nonsense(o, a, why, buf_span(&a->http->body));
}

void opfail_protocol(struct op *o, const struct answer *a, const char *why,
                     struct span detail) {
	describe_nonsense(o, a, why, detail);
	op_failed(o);
}

/* The operation itself ended Failed or Canceled: the service's own verdict. */
void opfail_operation(struct op *o, const struct answer *a) {
	const struct resource_facts *f = resource_of(a);
	bool canceled = poll_word(f->status.n > 0 ? f->status
	                                          : f->provisioning_state) ==
	                POLL_CANCELED;
	o->known = KNOWN_DECIDED;
	fail_set(&o->fail, FAIL_OPERATION, op_phase(o),
	         canceled ? "the operation was canceled: "
	                  : "the operation failed: ");
	describe_body(o, a);
	describe_answer(o, a);
	if (o->rejected)
		o->fail.hint = gone_for_good;
	op_failed(o);
}

void opfail_believe(struct op *o) {
	op_begin_message(o, "the operation failed: ");
	o->fail.kind = FAIL_OPERATION;
	o->fail.retryable = false;
	o->fail.hint = o->rejected ? gone_for_good : NULL;
}

void opfail_otherwise(struct op *o, const struct answer *a) {
	o->known = KNOWN_DECIDED;
	fail_set(&o->fail, FAIL_OPERATION, PHASE_RESULT,
	         "the operation is over, but the connection is ");
	fail_add(&o->fail, resource_of(a)->connection_status);
	buf_adds(&o->fail.message, " and not ");
	buf_add(&o->fail.message, o->spec.status);
	o->fail.http_status = a->http->status;
	op_failed(o);
}

void opfail_tag(struct op *o) {
	fail_set(&o->fail, FAIL_PRECONDITION, PHASE_REQUEST,
	         "the service refuses the ETag that it gave, although the "
	         "connection has not changed (HTTP 412)");
	o->fail.http_status = 412;
	o->fail.hint = "a proxy in the way may change ETags: see `proxy`, or "
		       "give if_match = \"*\"";
	op_failed(o);
}

void opfail_read_only(struct op *o, const struct answer *a) {
	struct span status = resource_of(a)->connection_status;
	fail_set(&o->fail, FAIL_PRECONDITION, PHASE_REQUEST,
	         "the connection is not as asked and no operation is under "
	         "way; nothing was written");
	if (status.n > 0) {
		buf_adds(&o->fail.message, ": its status is ");
		add_foreign(o, status);
	}
	o->fail.hint = "to send the update again, resume with write = true";
	op_failed(o);
}

void opfail_next(struct op *o) {
	bool circle = o->way == WAY_CIRCLE;
	fail_set(&o->fail, circle ? FAIL_PROTOCOL : FAIL_UNTRUSTED,
	         PHASE_REQUEST,
	         circle ? "the list goes in a circle: the next page was asked "
	                  "for already: "
	                : "the next page lies on another origin: ");
	add_foreign(o, without_query(buf_span(&o->next)));
	op_failed(o);
}
