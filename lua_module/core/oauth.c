/* oauth.c -- the token endpoint of Microsoft Entra ID: what proves a client,
   and what the endpoint says of it.

   Rules: "Microsoft identity platform and the OAuth 2.0 client credentials
   flow", "... device authorization grant flow", "Microsoft identity platform
   application authentication certificate credentials"; RFC 6749, 7523, 8628. */
#include "base64.h"
#include "date.h"
#include "flow.h"

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
	"nobody signed in while the code was good: begin again";
static const char declined[] = "the person refused to sign in";
static const char consent[] =
	"consent is missing: an administrator has to consent to the "
	"application's use of Azure's management API";
static const char multifactor[] =
	"the tenant wants multifactor authentication: a person signs in with "
	"az login or device_code, a program as an application";

/* Entra's error numbers that a person can act on.  The texts may change, the
   numbers have not ("Microsoft Entra authentication and authorization error
   codes"). */
static const struct {
	const char *number, *hint;
} numbers[] = {
	{ "AADSTS7000215", "the client secret is wrong: give the "
	                   "secret's value, not its id" },
	{ "AADSTS7000222", "the client secret has expired: make a new "
	                   "one for the application" },
	{ "AADSTS700016", "no such application in this tenant: check "
	                  "client_id and tenant_id" },
	{ "AADSTS7000112", "the application is disabled" },
	{ "AADSTS90002", "no such tenant: check tenant_id and the "
	                 "cloud" },
	{ "AADSTS900023", "tenant_id is neither a GUID nor a domain" },
	{ "AADSTS90038", "the tenant belongs to another cloud: check "
	                 "cloud or authority_host" },
	{ "AADSTS500011", "the scope's resource is unknown in this "
	                  "tenant: check cloud or scope" },
	{ "AADSTS65001", consent },
	{ "AADSTS50012", "the assertion's signature was not accepted: "
	                 "is this certificate registered with the "
	                 "application, and has it not expired?" },
	{ "AADSTS700027", "the assertion's signature was not accepted: "
	                  "is this certificate registered with the "
	                  "application, and has it not expired?" },
	{ "AADSTS700024", "the assertion is outside its time: check "
	                  "this machine's clock" },
	{ "AADSTS70021", "no federated credential of the application matches "
	                 "the token's issuer, subject and audience" },
	{ "AADSTS700211", "no federated credential of the application matches "
	                  "the token's issuer, subject and audience" },
	{ "AADSTS700212", "no federated credential of the application matches "
	                  "the token's issuer, subject and audience" },
	{ "AADSTS700213", "no federated credential of the application matches "
	                  "the token's issuer, subject and audience" },
	{ "AADSTS70025", "no federated credential of the application matches "
	                 "the token's issuer, subject and audience" },
	{ "AADSTS7000218", "the application must allow public client "
	                   "flows, or sign in with a secret or a "
	                   "certificate" },
	{ "AADSTS50076", multifactor },
	{ "AADSTS50079", multifactor },
	{ "AADSTS53003", "a conditional access policy of the tenant "
	                 "forbids it: its administrator knows which" },
	{ "AADSTS9001023", "this needs the tenant's own id or domain "
	                   "as tenant_id" },
	{ "AADSTS90055", "the tenant is asked too often: wait a while" },
	{ "AADSTS700022", "a token is for one resource: name the scope "
	                  "of one" },
	{ "AADSTS70011", "the scope is not valid: it ends in "
	                 "/.default" },
};

static const char *hint_for(struct span description) {
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct span number = span_of(numbers[i].number);
		/* the number is followed by a colon */
		if (span_istarts(description, number) &&
		    description.n > number.n && description.p[number.n] == ':')
			return numbers[i].hint;
	}
	return NULL;
}

/* The number at the head of the description is the code people look up. */
static struct span number_of(struct span description) {
	size_t n = 0;
	if (!span_istarts(description, SPAN("AADSTS")))
		return NO_SPAN;
	while (n < description.n && description.p[n] != ':')
		n++;
	return (struct span){ description.p, n < 32 ? n : 32 };
}

/* A clock that is off by more than an assertion lives is refused, too. */
static const char *hint_of_clock(const struct reply *r, struct now now) {
	int64_t theirs = date_http(reply_header(r, "date"));
	int64_t off = theirs < 0 ? 0 : theirs - now.wall;
	return off > 300000 || off < -300000
	               ? "this machine's clock is minutes off the "
	                 "authority's: set it right"
	               : NULL;
}

/* RFC 6749 5.2 and RFC 8628 3.5, where no number says more. */
static const char *hint_for_word(struct span error) {
	static const struct {
		const char *word, *hint;
	} hints[] = {
		{ "expired_token", nobody_came },
		{ "code_expired", nobody_came },
		{ "authorization_pending", nobody_came },
		{ "slow_down", nobody_came },
		{ "authorization_declined", declined },
		{ "access_denied", declined },
		{ "consent_required", consent },
	};
	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
		if (span_eq(error, span_of(hints[i].word)))
			return hints[i].hint;
	return NULL;
}

static const char in_the_way[] =
	"a proxy or a captive portal may be in the way: see `proxy` and "
	"HTTPS_PROXY";

static const char not_a_source[] =
	"what answers there hands out no tokens: see IDENTITY_ENDPOINT, "
	"MSI_ENDPOINT and AZURE_POD_IDENTITY_AUTHORITY_HOST";

/* A managed identity's source: no clock, no proxy, no authority is at fault. */
static const char *hint_of_source(const struct signin *s,
                                  const struct answer *a) {
	if (a->http->status == 400 && signin_link(s)->spec.value[SV_ID].n > 0)
		return "is the identity that was named assigned to this "
		       "machine or service?";
	return a->facts.json ? NULL : not_a_source;
}

/* What answers is not who was asked. */
static const char *hint_of_answer(const struct answer *a) {
	if (a->http->status == 407)
		return "a proxy in the way asks for authentication";
	return a->facts.json ? NULL : in_the_way;
}

/* As it comes from a file that was read whole. */
static bool secret_has_tail(const struct signin *s) {
	const struct link *l = signin_link(s);
	struct span secret = l->spec.value[SV_SECRET];
	if (l->spec.flow != &flow_client_secret)
		return false;
	if (!secret.p)
		secret = buf_span(&s->scratch.assertion);
	return secret.n > 0 && (unsigned char)secret.p[secret.n - 1] <= ' ';
}

static const char *hint_of_refusal(const struct signin *s,
                                   const struct answer *a) {
	const char *hint = hint_for(a->facts.message);
	if (span_eq(a->facts.oauth_error, SPAN("invalid_client")) &&
	    secret_has_tail(s))
		return "the client secret ends in a line end or a blank: cut "
		       "that off";
	if (!hint)
		hint = hint_for_word(a->facts.oauth_error);
	if (!hint && signin_link(s)->spec.flow->local)
		return hint_of_source(s, a);
	if (!hint)
		hint = hint_of_clock(a->http, a->at);
	return hint ? hint : hint_of_answer(a);
}

void flow_refused(struct signin *s, const struct answer *a) {
	struct buf *m = &s->fail.message;
	struct span code = number_of(a->facts.message);
	bool told = a->facts.oauth_error.n > 0;
	struct span type = reply_header(a->http, "content-type");
	signin_describe(s, told ? "sign-in refused: " : "sign-in failed: ",
	                a->facts.oauth_error);
	if (a->http->status >= 300 && a->http->status < 400)
		s->fail.kind = FAIL_PROTOCOL;
	if (code.n == 0)
		code = told ? a->facts.oauth_error : a->facts.code;
	signin_note(s, &s->fail.code, code);
	if (a->facts.message.n > 0 &&
	    !span_eq(a->facts.message, a->facts.oauth_error)) {
		buf_adds(m, told ? ": " : "");
		signin_add(s, a->facts.message);
	} else if (!told) {
		/* the body is not shown: it might echo the form */
		buf_adds(m, "the answer is not an OAuth error but ");
		signin_add(s, type.n > 0 ? type : SPAN("nothing known"));
	}
	if (token_of(a)->timestamp.n > 0) {
		buf_adds(m, " at ");
		signin_add(s, token_of(a)->timestamp);
	}
	buf_adds(m, " (HTTP ");
	buf_addint(m, a->http->status);
	buf_adds(m, ")");
	s->fail.http_status = a->http->status;
	s->fail.retry_after = http_retry_after(a->http, a->at.wall);
	s->fail.retryable = a->http->status == 429 || a->http->status >= 500;
	s->fail.hint = hint_of_refusal(s, a);
	signin_note(s, &s->fail.request_id, token_of(a)->trace_id);
	signin_note(s, &s->fail.correlation_id, token_of(a)->correlation_id);
	signin_fail(s, a->at);
}

/* A time that cannot be read. */
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

static const char expired_hint[] =
	"by this machine's clock it has expired already: is the clock right?";

static void refuse_token(struct signin *s, const struct answer *a,
                         int64_t lives) {
	const struct token_facts *t = token_of(a);
	bool none = t->access_token.n == 0;
	signin_describe(s,
	                none ? "the answer holds no access_token"
	                     : "the token's time of expiry makes no sense",
	                NO_SPAN);
	s->fail.kind = FAIL_PROTOCOL;
	s->fail.http_status = a->http ? a->http->status : 0;
	if (!none && t->expires_in < 0 && lives <= 0 && lives != unreadable)
		s->fail.hint = expired_hint;
	if (a->http && !a->facts.json)
		s->fail.hint = signin_link(s)->spec.flow->local ? not_a_source
		                                                : in_the_way;
	signin_fail(s, a->at);
}

void flow_accept(struct signin *s, const struct answer *a) {
	const struct token_facts *t = token_of(a);
	bool none = t->access_token.n == 0;
	int64_t lives;
	if (!flow_life(a, &lives))
		lives = UNTOLD_LIFE;
	if (!none && lives > 0 && lives <= SIGNIN_LONGEST)
		signin_take(s, t->access_token, lives, t->refresh_in, a->at);
	else if (none && a->http && a->facts.error)
		flow_refused(s, a); /* an error is one under any status */
	else
		refuse_token(s, a, lives);
}

static void fed_token(struct signin *s, const struct answer *a) {
	if (a->http->status == 200 || a->http->status == 201)
		flow_accept(s, a);
	else
		flow_refused(s, a);
}

/* ---- what is sent ------------------------------------------------------- */

static struct span value(const struct signin *s, enum signin_value v) {
	return signin_link(s)->spec.value[v];
}

static void add_url(const struct signin *s, struct buf *url,
                    const char *endpoint) {
	buf_add(url, buf_span(&s->authority));
	buf_addc(url, '/');
	url_encode(url, value(s, SV_TENANT));
	buf_adds(url, "/oauth2/v2.0/");
	buf_adds(url, endpoint);
}

static void begin_form(const struct signin *s, struct request *q,
                       const char *endpoint) {
	request_clear(q);
	q->method = HTTP_POST;
	q->timeout_ms = TRY_TIMEOUT;
	q->authorize = false;
	q->allow_http = span_istarts(buf_span(&s->authority), SPAN("http:"));
	q->no_proxy = q->allow_http; /* it would read the secret */
	add_url(s, &q->url, endpoint);
	request_header(q, "Accept", SPAN("application/json"));
	request_header(q, "Content-Type",
	               SPAN("application/x-www-form-urlencoded"));
	form_add(&q->body, "client_id", value(s, SV_CLIENT));
}

/* The challenge's claims stand alone: this client declares no capability of
   its own (a token of an hour needs no revocation protocol). */
static void add_claims(const struct signin *s, struct request *q) {
	if (s->claims.n > 0)
		form_add(&q->body, "claims", buf_span(&s->claims));
}

static void client_credentials(const struct signin *s, struct request *q) {
	begin_form(s, q, "token");
	form_add(&q->body, "grant_type", SPAN("client_credentials"));
	form_add(&q->body, "scope", buf_span(&s->scope));
	add_claims(s, q);
}

/* ---- client_secret ------------------------------------------------------ */

/* The secret itself, or, from a function, the one that is good today. */
static enum signin_want ask_secret(struct signin *s, struct request *q,
                                   struct now now) {
	struct span secret = value(s, SV_SECRET);
	(void)now;
	if (!secret.p && s->scratch.step == 0) {
		s->scratch.need = NEED_SECRET;
		return SIGNIN_NEED;
	}
	client_credentials(s, q);
	form_add(&q->body, "client_secret",
	         secret.p ? secret : buf_span(&s->scratch.assertion));
	return SIGNIN_SEND;
}

static void met_secret(struct signin *s, struct span bytes, struct now now) {
	if (bytes.n == 0) {
		signin_describe(s, "the client_secret function gave nothing",
		                NO_SPAN);
		signin_fail(s, now);
		return;
	}
	buf_set(&s->scratch.assertion, bytes);
	signin_step(s, 1, now.mono);
}

const struct flow flow_client_secret = {
	.name = "client_secret",
	.ask = ask_secret,
	.fed = fed_token,
	.met = met_secret,
	.claims = true,
};

/* ---- an assertion, whoever made it -------------------------------------- */

static enum signin_want send_assertion(struct signin *s, struct request *q) {
	client_credentials(s, q);
	form_add(&q->body, "client_assertion_type",
	         SPAN("urn:ietf:params:oauth:client-assertion-type:"
	              "jwt-bearer"));
	form_add(&q->body, "client_assertion", buf_span(&s->scratch.assertion));
	return SIGNIN_SEND;
}

static enum signin_want ask_assertion(struct signin *s, struct request *q,
                                      struct now now) {
	(void)now;
	if (s->scratch.step > 0)
		return send_assertion(s, q);
	s->scratch.need = NEED_ASSERTION;
	return SIGNIN_NEED;
}

static bool one_word(struct span s) {
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ' ')
			return false;
	return http_printable(s);
}

/* From the host's function, or from a file whose last line end is none of it;
   read anew for each token, since it is rotated. */
static void met_assertion(struct signin *s, struct span bytes, struct now now) {
	struct span assertion = span_trim(bytes);
	const char *why = NULL;
	if (assertion.n == 0)
		why = "the assertion is empty";
	else if (!one_word(assertion)) /* another file's content goes nowhere */
		why = "the assertion is no token: it holds blanks or control "
		      "characters";
	if (why) {
		signin_describe(s, why, NO_SPAN);
		signin_fail(s, now);
		return;
	}
	buf_set(&s->scratch.assertion, assertion);
	signin_step(s, 1, now.mono);
}

const struct flow flow_client_assertion = {
	.name = "client_assertion",
	.ask = ask_assertion,
	.fed = fed_token,
	.met = met_assertion,
	.claims = true,
};

static enum signin_want ask_federated(struct signin *s, struct request *q,
                                      struct now now) {
	if (s->scratch.step > 0)
		return send_assertion(s, q);
	if (value(s, SV_TENANT).n == 0 || value(s, SV_CLIENT).n == 0 ||
	    value(s, SV_PATH).n == 0) {
		signin_absent(s,
		              "not set up: AZURE_TENANT_ID, AZURE_CLIENT_ID or "
		              "AZURE_FEDERATED_TOKEN_FILE is missing",
		              NO_SPAN, now);
		return SIGNIN_IDLE;
	}
	buf_set(&s->scratch.work, value(s, SV_PATH));
	s->scratch.need = NEED_FILE;
	return SIGNIN_NEED;
}

const struct flow flow_workload_identity = {
	.name = "workload_identity",
	.ask = ask_federated,
	.fed = fed_token,
	.met = met_assertion,
	.claims = true,
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

/* A version 4 GUID from the flow's own randomness: jti must differ, no more. */
static void add_jti(struct signin *s, struct buf *out) {
	static const char hex[] = "0123456789abcdef";
	for (int i = 0; i < 32; i++) {
		s->random = s->random * 1664525u + 1013904223u;
		if (i == 8 || i == 12 || i == 16 || i == 20)
			buf_addc(out, '-');
		buf_addc(out, i == 12 ? '4' : hex[s->random >> 28]);
	}
}

static void add_encoded(struct buf *out, struct buf *json) {
	base64url(out, buf_span(json));
	buf_share_failure(out, json);
	buf_clear(json);
}

/* The header and the claims of the assertion, as they are signed.  bytes: the
   thumbprint, a NUL, and the chain as a JSON array.  RS256 goes with the older
   name, and digest, of the thumbprint (RFC 7515 4.1.7 and 4.1.8): so MSAL. */
static void met_certificate(struct signin *s, struct span bytes,
                            struct now now) {
	struct span x5t = { bytes.p, 0 }, x5c;
	bool rs256 = span_eq(value(s, SV_ALGORITHM), SPAN("RS256"));
	int64_t from = now.wall / 1000;
	struct buf json;
	while (x5t.n < bytes.n && x5t.p[x5t.n] != '\0')
		x5t.n++;
	x5c = span_from(bytes, x5t.n < bytes.n ? x5t.n + 1 : x5t.n);
	buf_init(&json, s->mem, s->scratch.work.max);
	add_json(&json, "{\"alg\":\"", rs256 ? SPAN("RS256") : SPAN("PS256"));
	add_json(&json,
	         rs256 ? ",\"typ\":\"JWT\",\"x5t\":\""
	               : ",\"typ\":\"JWT\",\"x5t#S256\":\"",
	         x5t);
	if (signin_link(s)->spec.send_x5c) {
		buf_adds(&json, ",\"x5c\":");
		buf_add(&json, x5c);
	}
	buf_addc(&json, '}');
	buf_clear(&s->scratch.work);
	add_encoded(&s->scratch.work, &json);
	buf_addc(&s->scratch.work, '.');
	buf_adds(&json, "{\"aud\":\"");
	add_url(s, &json, "token");
	add_json(&json, "\",\"iss\":\"", value(s, SV_CLIENT));
	add_json(&json, ",\"sub\":\"", value(s, SV_CLIENT));
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
	signin_step(s, CERT_SIGN, now.mono);
}

static void met_certificate_or_signature(struct signin *s, struct span bytes,
                                         struct now now) {
	if (s->scratch.step == CERT_LOAD) {
		met_certificate(s, bytes, now);
		return;
	}
	if (bytes.n == 0) {
		signin_describe(s, "the signature is empty", NO_SPAN);
		signin_fail(s, now);
		return;
	}
	buf_set(&s->scratch.assertion, buf_span(&s->scratch.work));
	buf_addc(&s->scratch.assertion, '.');
	base64url(&s->scratch.assertion, bytes);
	buf_clear(&s->scratch.work);
	signin_step(s, CERT_SEND, now.mono);
}

static enum signin_want ask_certificate(struct signin *s, struct request *q,
                                        struct now now) {
	(void)now;
	if (s->scratch.step == CERT_SEND)
		return send_assertion(s, q);
	s->scratch.need = s->scratch.step == CERT_LOAD ? NEED_CERTIFICATE
	                                               : NEED_SIGNATURE;
	return SIGNIN_NEED;
}

const struct flow flow_client_certificate = {
	.name = "client_certificate",
	.ask = ask_certificate,
	.fed = fed_token,
	.met = met_certificate_or_signature,
	.claims = true,
};

/* ---- device_code -------------------------------------------------------- */

enum { DEVICE_START, DEVICE_REFRESH, DEVICE_PROMPT, DEVICE_POLL };

static void add_user_scope(const struct signin *s, struct request *q) {
	struct buf scope;
	buf_init(&scope, s->mem, s->scratch.work.max);
	buf_add(&scope, buf_span(&s->scope));
	buf_adds(&scope, " offline_access"); /* or there is no refresh token */
	form_add(&q->body, "scope", buf_span(&scope));
	buf_share_failure(&q->body, &scope);
	buf_free(&scope);
}

static void ask_refresh(struct signin *s, struct request *q) {
	begin_form(s, q, "token");
	form_add(&q->body, "grant_type", SPAN("refresh_token"));
	form_add(&q->body, "refresh_token",
	         buf_span(&signin_link(s)->refresh_token));
	add_user_scope(s, q);
	add_claims(s, q);
}

static enum signin_want ask_device(struct signin *s, struct request *q,
                                   struct now now) {
	if (s->scratch.step == DEVICE_START &&
	    signin_link(s)->refresh_token.n > 0)
		signin_step(s, DEVICE_REFRESH, now.mono);
	switch (s->scratch.step) {
	case DEVICE_PROMPT:
		s->scratch.need = NEED_PROMPT;
		return SIGNIN_NEED;
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
	return SIGNIN_SEND;
}

static void device_started(struct signin *s, const struct answer *a) {
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
	/* what the person is told: the prompt's facts, kept as one text */
	buf_clear(&s->scratch.work);
	for (int i = 0; i < 3; i++) {
		buf_add(&s->scratch.work, all[i]);
		buf_addc(&s->scratch.work, '\0');
	}
	signin_step(s, DEVICE_PROMPT, a->at.mono);
}

static void device_polled(struct signin *s, const struct answer *a) {
	struct buf *refresh = &s->links[s->at].refresh_token;
	if (a->http->status == 200 || a->http->status == 201) {
		if (token_of(a)->refresh_token.n > 0)
			buf_set(refresh, token_of(a)->refresh_token);
		flow_accept(s, a);
	} else if (s->scratch.step == DEVICE_REFRESH &&
	           span_eq(a->facts.oauth_error, SPAN("invalid_grant"))) {
		buf_clear(refresh); /* sign in again */
		signin_step(s, DEVICE_START, a->at.mono);
	} else if (s->scratch.step == DEVICE_POLL &&
	           a->at.mono < s->scratch.device_ends &&
	           (span_eq(a->facts.oauth_error,
	                    SPAN("authorization_pending")) ||
	            span_eq(a->facts.oauth_error, SPAN("slow_down")))) {
		if (span_eq(a->facts.oauth_error, SPAN("slow_down")))
			s->scratch.interval += SLOW_DOWN;
		signin_step(s, DEVICE_POLL, a->at.mono + s->scratch.interval);
	} else {
		flow_refused(s, a);
	}
}

static void fed_device(struct signin *s, const struct answer *a) {
	if (s->scratch.step == DEVICE_START)
		device_started(s, a);
	else
		device_polled(s, a);
}

static void met_prompt(struct signin *s, struct span bytes, struct now now) {
	(void)bytes;
	signin_step(s, DEVICE_POLL, now.mono + s->scratch.interval);
}

const struct flow flow_device_code = {
	.name = "device_code",
	.ask = ask_device,
	.fed = fed_device,
	.met = met_prompt,
	.claims = true,
};
