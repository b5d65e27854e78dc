/* entra.c -- the token endpoint of Microsoft Entra ID: what proves a client,
   and what the endpoint says of it.

   Rules: "Microsoft identity platform and the OAuth 2.0 client credentials
   flow", "... device authorization grant flow", "Microsoft identity platform
   application authentication certificate credentials"; RFC 6749, 7523, 8628. */
#include "core/base64.h"
#include "core/date.h"
#include "core/random.h"
#include "core/token/flow.h"

enum {
	TRY_TIMEOUT = 30000,     /* ms for one request */
	ASSERTION_LIFE = 600,    /* s */
	SLOW_DOWN = 5000,        /* ms, RFC 8628 3.5 */
	DEFAULT_INTERVAL = 5000, /* ms, RFC 8628 3.2 */
	/* s, of a token that does not say (RFC 6749 5.1 only recommends it):
	   the shortest that Entra ID can be told to issue */
	UNTOLD_LIFE = 600,
};

/* ---- what the endpoint answers ------------------------------------------ */

static const char nobody_came[] =
	"the code expired before anyone signed in: start again";
static const char declined[] = "the user declined to sign in";
/* A clock that is off by more than an assertion lives is refused, too. */
static const char *hint_of_clock(const struct reply *r, struct now now) {
	int64_t theirs = date_http(reply_header(r, "date"));
	int64_t off = theirs < 0 ? 0 : theirs - now.wall;
	return off > 300000 || off < -300000
	               ? "this machine's clock differs from the authority's by "
	                 "more than 5 minutes: correct it"
	               : NULL;
}

/* Hints for the errors of RFC 6749 section 5.2 and RFC 8628 section 3.5, used
   if no number is known. */
static const char *hint_for_code(struct span error) {
	static const struct {
		const char *word, *hint;
	} hints[] = {
		{ "expired_token", nobody_came },
		{ "code_expired", nobody_came },
		{ "authorization_pending", nobody_came },
		{ "slow_down", nobody_came },
		{ "authorization_declined", declined },
		{ "access_denied", declined },
		{ "consent_required", entra_consent },
	};
	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
		if (span_eq(error, span_of(hints[i].word)))
			return hints[i].hint;
	return NULL;
}

static const char in_the_way[] = "a proxy or captive portal may have answered: "
				 "see `proxy` and HTTPS_PROXY";

static const char not_a_source[] =
	"the server that answered is not a token endpoint: check "
	"IDENTITY_ENDPOINT, MSI_ENDPOINT and AZURE_POD_IDENTITY_AUTHORITY_HOST";

/* For a managed identity's source: clock, proxy and authority are not the
   cause. */
static const char *hint_of_source(const struct chain *s,
                                  const struct answer *a) {
	if (a->http->status == 400 && flow_value(s, SV_ID).n > 0)
		return "check that the named identity is assigned to this "
		       "machine or service";
	return a->facts.json ? NULL : not_a_source;
}

/* The server that answered is not the one that was meant. */
static const char *hint_of_answer(const struct answer *a) {
	if (a->http->status == 407)
		return "a proxy requires authentication: give user name and "
		       "password in its URL (`proxy` or HTTPS_PROXY)";
	return a->facts.json ? NULL : in_the_way;
}

/* A secret that was read from a file may have its line end. */
static bool secret_has_tail(const struct chain *s) {
	const struct link *l = chain_link(s);
	struct span secret = l->spec.value[SV_SECRET];
	if (l->spec.flow != &flow_client_secret)
		return false;
	if (!secret.p)
		secret = buf_span(&s->scratch.assertion);
	return secret.n > 0 && (unsigned char)secret.p[secret.n - 1] <= ' ';
}

static const char *hint_of_refusal(const struct chain *s,
                                   const struct answer *a) {
	const struct entra_error *known = entra_error_of(a->facts.message);
	const char *hint = known ? known->hint : NULL;
	if (span_eq(a->facts.oauth_error, SPAN("invalid_client")) &&
	    secret_has_tail(s))
		return "the client secret ends with a line break or a blank: "
		       "remove it";
	if (!hint)
		hint = hint_for_code(a->facts.oauth_error);
	if (!hint && chain_link(s)->spec.flow->managed)
		return hint_of_source(s, a);
	if (!hint)
		hint = hint_of_clock(a->http, a->at);
	return hint ? hint : hint_of_answer(a);
}

void flow_add_status(struct chain *s, const struct answer *a) {
	int status = a->http->status;
	buf_adds(&s->fail.message, " (HTTP ");
	buf_addint(&s->fail.message, status);
	buf_adds(&s->fail.message, ")");
	s->fail.http_status = status;
	s->fail.retry_after = http_retry_after(a->http, a->at.wall);
	s->fail.retryable = status == 429 || status >= 500;
}

void flow_refused(struct chain *s, const struct answer *a) {
	struct buf *m = &s->fail.message;
	struct span code = entra_number(a->facts.message);
	bool told = a->facts.oauth_error.n > 0;
	struct span type = reply_header(a->http, "content-type");
	chain_describe(s, told ? "sign-in refused: " : "sign-in failed: ",
	               a->facts.oauth_error);
	if (a->http->status >= 300 && a->http->status < 400)
		s->fail.kind = FAIL_PROTOCOL;
	if (code.n == 0)
		code = told ? a->facts.oauth_error : a->facts.code;
	chain_note(s, &s->fail.code, code);
	if (a->facts.message.n > 0 &&
	    !span_eq(a->facts.message, a->facts.oauth_error)) {
		buf_adds(m, told ? ": " : "");
		chain_add(s, a->facts.message);
	} else if (!told) {
		/* the body is not shown, because it may echo the form */
		buf_adds(m, "the response is not an OAuth error");
		buf_adds(m, type.n > 0 ? " but " : " (no Content-Type)");
		chain_add(s, type);
	}
	if (token_of(a)->timestamp.n > 0) {
		buf_adds(m, " at ");
		chain_add(s, token_of(a)->timestamp);
	}
	flow_add_status(s, a);
	s->fail.hint = hint_of_refusal(s, a);
	chain_note(s, &s->fail.request_id, token_of(a)->trace_id);
	chain_note(s, &s->fail.correlation_id, token_of(a)->correlation_id);
	chain_fail(s, a->at);
}

/* The expiry cannot be read. */
static const int64_t unreadable = INT64_MIN;

bool flow_life(const struct answer *a, int64_t *lives) {
	const struct token_facts *t = token_of(a);
	int64_t on = t->expires_on;
	if (on < 0 && t->expires_text.n > 0)
		on = date_token(t->expires_text) / 1000;
	*lives = t->expires_in;
	if (*lives < 0)
		*lives = on > 0 ? on - a->at.wall / 1000 : unreadable;
	return t->expires_in >= 0 || on > 0 || t->expires_text.n > 0;
}

static const char expired_hint[] = "check this machine's clock";

static void refuse_token(struct chain *s, const struct answer *a,
                         int64_t lives) {
	const struct token_facts *t = token_of(a);
	bool none = t->access_token.n == 0;
	bool expired = t->expires_in < 0 && lives <= 0 && lives != unreadable;
	chain_describe(s,
	               none      ? "the response has no access_token"
	               : expired ? chain_expired
	                         : "the token's expiry time is invalid",
	               NO_SPAN);
	s->fail.kind = FAIL_PROTOCOL;
	s->fail.http_status = a->http ? a->http->status : 0;
	if (!none && expired)
		s->fail.hint = expired_hint;
	if (a->http && !a->facts.json)
		s->fail.hint = chain_link(s)->spec.flow->managed ? not_a_source
		                                                 : in_the_way;
	chain_fail(s, a->at);
}

void flow_accept(struct chain *s, const struct answer *a) {
	const struct token_facts *t = token_of(a);
	bool none = t->access_token.n == 0;
	int64_t lives;
	if (!flow_life(a, &lives))
		lives = UNTOLD_LIFE;
	if (!none && lives > 0 && lives <= CHAIN_LONGEST)
		chain_take(s, t->access_token, lives, t->refresh_in, a->at);
	else if (none && a->http && a->facts.error)
		flow_refused(s, a); /* an error counts under any status */
	else
		refuse_token(s, a, lives);
}

void flow_fed_token(struct chain *s, const struct answer *a) {
	if (a->http->status == 200 || a->http->status == 201)
		flow_accept(s, a);
	else
		flow_refused(s, a);
}

/* ---- requests
   ------------------------------------------------------------- */

static void add_url(const struct chain *s, struct buf *url,
                    const char *endpoint) {
	buf_add(url, buf_span(&s->authority));
	buf_addc(url, '/');
	url_encode(url, flow_value(s, SV_TENANT));
	buf_adds(url, "/oauth2/v2.0/");
	buf_adds(url, endpoint);
}

static void begin_form(const struct chain *s, struct request *q,
                       const char *endpoint) {
	request_clear(q);
	q->method = HTTP_POST;
	q->timeout_ms = TRY_TIMEOUT;
	q->allow_http = span_istarts(buf_span(&s->authority), SPAN("http:"));
	q->no_proxy = q->allow_http; /* the proxy could read the secret */
	add_url(s, &q->url, endpoint);
	request_header(q, "Accept", SPAN("application/json"));
	request_header(q, "Content-Type",
	               SPAN("application/x-www-form-urlencoded"));
	form_add(&q->body, "client_id", flow_value(s, SV_CLIENT));
}

/* The challenge's claims stand alone: this client declares no capability of
   its own (a token of an hour needs no revocation protocol). */
static void add_claims(const struct chain *s, struct request *q) {
	if (s->claims.n > 0)
		form_add(&q->body, "claims", buf_span(&s->claims));
}

static void client_credentials(const struct chain *s, struct request *q) {
	begin_form(s, q, "token");
	form_add(&q->body, "grant_type", SPAN("client_credentials"));
	form_add(&q->body, "scope", buf_span(&s->scope));
	add_claims(s, q);
}

/* ---- client_secret ------------------------------------------------------ */

/* The secret itself, or the result of the host's function. */
static enum chain_want ask_secret(struct chain *s, struct request *q,
                                  struct now now) {
	struct span secret = flow_value(s, SV_SECRET);
	(void)now;
	if (!secret.p && s->scratch.step == 0) {
		s->scratch.need = NEED_SECRET;
		return CHAIN_NEED;
	}
	client_credentials(s, q);
	form_add(&q->body, "client_secret",
	         secret.p ? secret : buf_span(&s->scratch.assertion));
	return CHAIN_SEND;
}

static void provided_secret(struct chain *s, struct span bytes,
                            struct now now) {
	if (bytes.n == 0) {
		chain_describe(s, "the client_secret function returned nothing",
		               NO_SPAN);
		chain_fail(s, now);
		return;
	}
	buf_set(&s->scratch.assertion, bytes);
	chain_step(s, 1, now.mono);
}

const struct flow flow_client_secret = {
	.name = "client_secret",
	.ask = ask_secret,
	.fed = flow_fed_token,
	.provided = provided_secret,
	.claims = true,
	.shared = true,
};

/* ---- client assertions
   ---------------------------------------------------- */

enum chain_want flow_send_assertion(struct chain *s, struct request *q) {
	client_credentials(s, q);
	form_add(&q->body, "client_assertion_type",
	         SPAN("urn:ietf:params:oauth:client-assertion-type:"
	              "jwt-bearer"));
	form_add(&q->body, "client_assertion", buf_span(&s->scratch.assertion));
	return CHAIN_SEND;
}

static enum chain_want ask_assertion(struct chain *s, struct request *q,
                                     struct now now) {
	(void)now;
	if (s->scratch.step > 0)
		return flow_send_assertion(s, q);
	s->scratch.need = NEED_ASSERTION;
	return CHAIN_NEED;
}

/* From the host's function, a pipeline, or a file whose last line end is none
   of it; read anew for each token, since it is rotated. */
void flow_prove(struct chain *s, struct span assertion, struct now now) {
	const char *why = NULL;
	assertion = span_trim(assertion);
	if (assertion.n == 0)
		why = "the assertion is empty";
	else if (!span_only(assertion, CHAR_VISIBLE,
	                    "")) /* another file's content must not be sent */
		why = "the assertion is not a token: it contains blanks or "
		      "control characters";
	if (why) {
		chain_describe(s, why, NO_SPAN);
		chain_fail(s, now);
		return;
	}
	buf_set(&s->scratch.assertion, assertion);
	chain_step(s, 1, now.mono);
}

const struct flow flow_client_assertion = {
	.name = "client_assertion",
	.ask = ask_assertion,
	.fed = flow_fed_token,
	.provided = flow_prove,
	.claims = true,
};

static enum chain_want ask_federated(struct chain *s, struct request *q,
                                     struct now now) {
	if (s->scratch.step > 0)
		return flow_send_assertion(s, q);
	if (flow_value(s, SV_TENANT).n == 0 ||
	    flow_value(s, SV_CLIENT).n == 0 || flow_value(s, SV_PATH).n == 0) {
		chain_absent(s,
		             "not set up: AZURE_TENANT_ID, AZURE_CLIENT_ID or "
		             "AZURE_FEDERATED_TOKEN_FILE is missing",
		             NO_SPAN, now);
		return CHAIN_IDLE;
	}
	buf_set(&s->scratch.work, flow_value(s, SV_PATH));
	s->scratch.need = NEED_FILE;
	return CHAIN_NEED;
}

const struct flow flow_workload_identity = {
	.name = "workload_identity",
	.ask = ask_federated,
	.fed = flow_fed_token,
	.provided = flow_prove,
	.claims = true,
	.shared = true,
};

/* ---- client_certificate ------------------------------------------------- */

enum { CERT_LOAD, CERT_SIGN, CERT_SEND };

static void add_json(struct buf *out, const char *name, struct span text) {
	buf_adds(out, name);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, text.p[i]);
	}
	buf_addc(out, '"');
}

/* RFC 7519 section 4.1.7: a jti only has to be unique. */
static void add_jti(struct chain *s, struct buf *out) {
	unsigned char bytes[GUID_BYTES];
	char guid[GUID_LENGTH];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(random_next(&s->random) >> 24);
	random_guid(bytes, guid);
	buf_add(out, (struct span){ guid, sizeof guid });
}

static void add_encoded(struct buf *out, struct buf *json) {
	base64url(out, buf_span(json));
	buf_share_failure(out, json);
	buf_clear(json);
}

/* The header and the claims of the assertion, as they are signed.  bytes: the
   thumbprint, a NUL, and the chain as a JSON array.  RS256 goes with the older
   name, and digest, of the thumbprint (RFC 7515 4.1.7 and 4.1.8): so MSAL. */
static void provided_certificate(struct chain *s, struct span bytes,
                                 struct now now) {
	struct span x5c = bytes, x5t = span_cut(&x5c, '\0');
	bool rs256 = span_eq(flow_value(s, SV_ALGORITHM), SPAN("RS256"));
	int64_t from = now.wall / 1000;
	struct buf json;
	buf_init(&json, s->mem, buf_max(&s->scratch.work));
	add_json(&json, "{\"alg\":\"", rs256 ? SPAN("RS256") : SPAN("PS256"));
	add_json(&json,
	         rs256 ? ",\"typ\":\"JWT\",\"x5t\":\""
	               : ",\"typ\":\"JWT\",\"x5t#S256\":\"",
	         x5t);
	if (chain_link(s)->spec.send_x5c) {
		buf_adds(&json, ",\"x5c\":");
		buf_add(&json, x5c);
	}
	buf_addc(&json, '}');
	buf_clear(&s->scratch.work);
	add_encoded(&s->scratch.work, &json);
	buf_addc(&s->scratch.work, '.');
	buf_adds(&json, "{\"aud\":\"");
	add_url(s, &json, "token");
	add_json(&json, "\",\"iss\":\"", flow_value(s, SV_CLIENT));
	add_json(&json, ",\"sub\":\"", flow_value(s, SV_CLIENT));
	buf_adds(&json, ",\"jti\":\"");
	add_jti(s, &json);
	buf_adds(&json, "\",\"nbf\":");
	buf_addint(&json, from);
	buf_adds(&json, ",\"iat\":");
	buf_addint(&json, from);
	buf_adds(&json, ",\"exp\":");
	buf_addint(&json, from + ASSERTION_LIFE);
	buf_addc(&json, '}');
	add_encoded(&s->scratch.work, &json);
	buf_free(&json);
	chain_step(s, CERT_SIGN, now.mono);
}

static void provided_certificate_or_signature(struct chain *s,
                                              struct span bytes,
                                              struct now now) {
	if (s->scratch.step == CERT_LOAD) {
		provided_certificate(s, bytes, now);
		return;
	}
	if (bytes.n == 0) {
		chain_describe(s, "the signature is empty", NO_SPAN);
		chain_fail(s, now);
		return;
	}
	buf_set(&s->scratch.assertion, buf_span(&s->scratch.work));
	buf_addc(&s->scratch.assertion, '.');
	base64url(&s->scratch.assertion, bytes);
	buf_clear(&s->scratch.work);
	chain_step(s, CERT_SEND, now.mono);
}

static enum chain_want ask_certificate(struct chain *s, struct request *q,
                                       struct now now) {
	(void)now;
	if (s->scratch.step == CERT_SEND)
		return flow_send_assertion(s, q);
	s->scratch.need = s->scratch.step == CERT_LOAD ? NEED_CERTIFICATE
	                                               : NEED_SIGNATURE;
	return CHAIN_NEED;
}

const struct flow flow_client_certificate = {
	.name = "client_certificate",
	.ask = ask_certificate,
	.fed = flow_fed_token,
	.provided = provided_certificate_or_signature,
	.claims = true,
	.shared = true,
};

/* ---- device_code -------------------------------------------------------- */

enum { DEVICE_START, DEVICE_REFRESH, DEVICE_PROMPT, DEVICE_POLL };

static void add_user_scope(const struct chain *s, struct request *q) {
	struct buf scope;
	buf_init(&scope, s->mem, buf_max(&s->scratch.work));
	buf_add(&scope, buf_span(&s->scope));
	buf_adds(&scope, " offline_access"); /* required for a refresh token */
	form_add(&q->body, "scope", buf_span(&scope));
	buf_share_failure(&q->body, &scope);
	buf_free(&scope);
}

static void ask_refresh(struct chain *s, struct request *q) {
	begin_form(s, q, "token");
	form_add(&q->body, "grant_type", SPAN("refresh_token"));
	form_add(&q->body, "refresh_token",
	         buf_span(&chain_link(s)->refresh_token));
	add_user_scope(s, q);
	add_claims(s, q);
}

static enum chain_want ask_device(struct chain *s, struct request *q,
                                  struct now now) {
	if (s->scratch.step == DEVICE_START &&
	    chain_link(s)->refresh_token.n > 0)
		chain_step(s, DEVICE_REFRESH, now.mono);
	switch (s->scratch.step) {
	case DEVICE_PROMPT:
		s->scratch.need = NEED_PROMPT;
		return CHAIN_NEED;
	case DEVICE_START:
		begin_form(s, q, "devicecode");
		add_user_scope(s, q);
		add_claims(s, q);
		break;
	case DEVICE_REFRESH:
		ask_refresh(s, q);
		break;
	default:
		begin_form(s, q, "token");
		form_add(&q->body, "grant_type",
		         SPAN("urn:ietf:params:oauth:grant-type:device_code"));
		form_add(&q->body, "device_code", buf_span(&s->scratch.device));
	}
	return CHAIN_SEND;
}

static void device_started(struct chain *s, const struct answer *a) {
	const struct device_facts *d = device_of(a);
	struct span all[] = { d->user_code, d->verification_uri, d->prompt };
	int64_t lives = d->expires_in > 0 ? d->expires_in : 900;
	if (a->http->status != 200 || d->device_code.n == 0) {
		flow_refused(s, a);
		return;
	}
	buf_set(&s->scratch.device, d->device_code);
	s->scratch.interval =
		d->interval > 0 ? d->interval * 1000 : DEFAULT_INTERVAL;
	s->scratch.device_ends = a->at.mono + lives * 1000;
	/* the texts for the user, kept as one */
	buf_clear(&s->scratch.work);
	for (int i = 0; i < 3; i++) {
		buf_add(&s->scratch.work, all[i]);
		buf_addc(&s->scratch.work, '\0');
	}
	chain_step(s, DEVICE_PROMPT, a->at.mono);
}

static void device_polled(struct chain *s, const struct answer *a) {
	struct buf *refresh = &s->links[s->at].refresh_token;
	if (a->http->status == 200 || a->http->status == 201) {
		if (token_of(a)->refresh_token.n > 0)
			buf_set(refresh, token_of(a)->refresh_token);
		flow_accept(s, a);
	} else if (s->scratch.step == DEVICE_REFRESH &&
	           span_eq(a->facts.oauth_error, SPAN("invalid_grant"))) {
		buf_clear(refresh); /* sign in again */
		chain_step(s, DEVICE_START, a->at.mono);
	} else if (s->scratch.step == DEVICE_POLL &&
	           a->at.mono < s->scratch.device_ends &&
	           (span_eq(a->facts.oauth_error,
	                    SPAN("authorization_pending")) ||
	            span_eq(a->facts.oauth_error, SPAN("slow_down")))) {
		if (span_eq(a->facts.oauth_error, SPAN("slow_down")))
			s->scratch.interval += SLOW_DOWN;
		chain_step(s, DEVICE_POLL, a->at.mono + s->scratch.interval);
	} else {
		flow_refused(s, a);
	}
}

static void fed_device(struct chain *s, const struct answer *a) {
	if (s->scratch.step == DEVICE_START)
		device_started(s, a);
	else
		device_polled(s, a);
}

static void provided_prompt(struct chain *s, struct span bytes,
                            struct now now) {
	(void)bytes;
	chain_step(s, DEVICE_POLL, now.mono + s->scratch.interval);
}

const struct flow flow_device_code = {
	.name = "device_code",
	.ask = ask_device,
	.fed = fed_device,
	.provided = provided_prompt,
	.claims = true,
	.shared = true,
};
