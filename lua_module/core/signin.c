/* signin.c -- what each kind of credential sends, and when a token is old. */
#include "signin.h"

enum {
	MAX_TEXT = 64 * 1024,
	EARLY = 300000,      /* ms before its end that a token is renewed */
	PAUSE = 30000,       /* ms between tries to renew a living token */
	TRY_TIMEOUT = 30000, /* ms for one token request */
	ASSUMED = 3600,      /* s a token lives that does not say */
};

/* What a token's whole life may be: ten years; longer is nonsense. */
static const int64_t longest = (int64_t)10 * 365 * 24 * 3600;

bool signin_init(struct signin *s, const struct mem *mem,
                 const struct signin_spec *spec, uint32_t seed) {
	*s = (struct signin){ .mem = mem,
		              .kind = spec->kind,
		              .retry = RETRY_DEFAULT,
		              .random = seed | 1 };
	struct {
		struct buf *to;
		struct span from;
	} all[] = {
		{ &s->authority, spec->authority },
		{ &s->tenant_id, spec->tenant_id },
		{ &s->client_id, spec->client_id },
		{ &s->secret, spec->secret },
		{ &s->scope, spec->scope },
		{ &s->token, NO_SPAN },
		{ &s->claims, NO_SPAN },
	};
	bool ok = true;
	s->retry.max_tries = 3;
	fail_init(&s->fail, mem);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		buf_init(all[i].to, mem, MAX_TEXT);
		all[i].to->secret =
			all[i].to == &s->secret || all[i].to == &s->token;
		if (all[i].from.p)
			buf_add(all[i].to, all[i].from);
		ok = ok && !all[i].to->failed;
	}
	return ok;
}

void signin_free(struct signin *s) {
	buf_free(&s->authority);
	buf_free(&s->tenant_id);
	buf_free(&s->client_id);
	buf_free(&s->secret);
	buf_free(&s->scope);
	buf_free(&s->token);
	buf_free(&s->claims);
	fail_free(&s->fail);
}

/* ---- the token's life --------------------------------------------------- */

/* Ends the fetch.  A token that still lives is none the worse for it. */
static void give_up(struct signin *s, struct now now) {
	s->wanted = s->in_flight = false;
	if (s->live)
		s->refresh_at = now.mono + PAUSE;
}

/* What can stand in a header field without ending it. */
static bool printable(struct span s) {
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0;
}

static void take(struct signin *s, struct span token, int64_t lives,
                 int64_t refresh_in, struct now now) {
	if (!printable(token)) {
		fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN,
		         "the token is empty or holds characters that cannot "
		         "stand in a header field");
		give_up(s, now);
		return;
	}
	buf_set(&s->token, token);
	if (s->token.failed) {
		fail_set(&s->fail, FAIL_LIMIT, PHASE_TOKEN,
		         "the token is larger than allowed");
		s->live = false;
		give_up(s, now);
		return;
	}
	s->generation++;
	s->live = true;
	s->wanted = false;
	s->fail.kind = FAIL_NONE;
	s->expires = s->sent_at + lives * 1000;
	s->refresh_at = refresh_in > 0 && refresh_in < lives
	                        ? s->sent_at + refresh_in * 1000
	                        : s->expires - EARLY;
	if (s->refresh_at <= now.mono) /* short-lived: use half of it */
		s->refresh_at = now.mono + (s->expires - now.mono) / 2;
	buf_clear(&s->claims);
}

static void begin(struct signin *s, struct now now) {
	if (s->wanted)
		return;
	s->wanted = true;
	s->tries = 0;
	s->not_before = now.mono;
	s->fail.kind = FAIL_NONE;
}

uint32_t signin_token(struct signin *s, uint32_t refused, struct span claims,
                      struct now now) {
	if (refused && refused == s->generation && s->live) {
		s->live = false;
		if (claims.n > 0)
			buf_set(&s->claims, claims);
	}
	if (s->live && now.mono >= s->expires)
		s->live = false;
	if (!s->live || now.mono >= s->refresh_at)
		begin(s, now);
	return s->live ? s->generation : 0;
}

const struct fail *signin_failure(const struct signin *s) {
	return s->wanted || s->fail.kind == FAIL_NONE ? NULL : &s->fail;
}

/* ---- ready tokens ------------------------------------------------------- */

static void give_ready(struct signin *s, struct now now) {
	s->sent_at = now.mono;
	if (s->generation == 0) {
		take(s, buf_span(&s->secret), longest, -1, now);
		return;
	}
	fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN,
	         "the token that was given cannot be renewed");
	s->fail.hint = "give a function (azpec.credential.token{get = ...}) or "
		       "another credential";
	give_up(s, now);
}

static void no_credential(struct signin *s, struct now now) {
	fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN,
	         "no credential: none was given, and the environment has "
	         "neither AZURE_TENANT_ID, AZURE_CLIENT_ID and "
	         "AZURE_CLIENT_SECRET nor AZURE_ACCESS_TOKEN");
	s->fail.hint = "set these variables, or give one of azpec.credential's "
		       "values as `credential`";
	give_up(s, now);
}

void signin_give(struct signin *s, struct span token, int64_t expires_on,
                 struct now now) {
	int64_t lives = expires_on < 0 ? ASSUMED : expires_on - now.wall / 1000;
	s->in_flight = false;
	s->sent_at = now.mono;
	if (lives <= 0 || lives > longest) {
		fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN,
		         "the token function's expires_on is not in the "
		         "future, or absurdly far in it");
		give_up(s, now);
		return;
	}
	take(s, token, lives, -1, now);
}

void signin_refuse(struct signin *s, struct span why, struct now now) {
	fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN,
	         "the token function failed: ");
	fail_add_without(&s->fail, why, buf_span(&s->secret));
	give_up(s, now);
}

/* ---- client_secret ------------------------------------------------------ */

/* Entra's error numbers that a person can act on.  The texts may change, the
   numbers have not ("Microsoft Entra authentication and authorization error
   codes"). */
static const char *hint_for(struct span description) {
	static const struct {
		const char *number, *hint;
	} hints[] = {
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
		{ "AADSTS70011", "the scope is not valid: it ends in "
		                 "/.default" },
	};
	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
		struct span number = span_of(hints[i].number);
		/* the number is followed by a colon */
		if (span_istarts(description, number) &&
		    description.n > number.n && description.p[number.n] == ':')
			return hints[i].hint;
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

static void describe_refusal(struct signin *s, const struct reply *r,
                             const struct facts *f, struct now now) {
	struct buf *m = &s->fail.message;
	struct span code = number_of(f->message);
	bool told = f->oauth_error.n > 0;
	struct span type = reply_header(r, "content-type");
	fail_set(&s->fail,
	         r->status >= 300 && r->status < 400 ? FAIL_PROTOCOL
	                                             : FAIL_CREDENTIAL,
	         PHASE_TOKEN, told ? "sign-in refused: " : "sign-in failed: ");
	buf_add(&s->fail.code, code.n > 0 ? code : f->oauth_error);
	if (told)
		fail_add_without(&s->fail, f->oauth_error,
		                 buf_span(&s->secret));
	if (f->message.n > 0) {
		buf_adds(m, ": ");
		fail_add_without(&s->fail, f->message, buf_span(&s->secret));
	} else if (!told) {
		/* the body is not shown: it might echo the form */
		buf_adds(m, "the answer is not an OAuth error but ");
		fail_add(&s->fail, type.n > 0 ? type : SPAN("nothing known"));
	}
	buf_adds(m, " (HTTP ");
	buf_addint(m, r->status);
	buf_adds(m, ")");
	s->fail.http_status = r->status;
	s->fail.retry_after = http_retry_after(r, now.wall);
	s->fail.retryable = r->status == 429 || r->status >= 500;
	s->fail.hint = hint_for(f->message);
	buf_set(&s->fail.request_id, f->trace_id);
	buf_set(&s->fail.correlation_id, f->correlation_id);
}

static void describe_net(struct signin *s, const struct reply *r) {
	fail_set(&s->fail, fail_kind_of_net(r->error), PHASE_TOKEN,
	         "sign-in failed: ");
	buf_adds(&s->fail.message, net_error_text(r->error));
	if (r->note.n > 0) {
		buf_adds(&s->fail.message, ": ");
		fail_add_without(&s->fail, buf_span(&r->note),
		                 buf_span(&s->secret));
	}
	s->fail.retryable = r->error != NET_CERT && r->error != NET_CA;
}

static void accept(struct signin *s, const struct reply *r,
                   const struct facts *f, struct now now) {
	int64_t lives = f->expires_in;
	if (lives < 0 && f->expires_on >= 0)
		lives = f->expires_on - now.wall / 1000;
	if (f->access_token.n > 0 && lives > 0 && lives <= longest) {
		take(s, f->access_token, lives, f->refresh_in, now);
		return;
	}
	fail_set(&s->fail, FAIL_PROTOCOL, PHASE_TOKEN,
	         f->access_token.n == 0
	                 ? "the authority's answer holds no access_token"
	                 : "the token's expires_in makes no sense");
	s->fail.http_status = r->status;
	give_up(s, now);
}

static bool again(struct signin *s, const struct reply *r, struct now now) {
	int64_t asked = r->error == NET_OK ? http_retry_after(r, now.wall) : -1;
	int64_t delay;
	s->tries++;
	if (!retry_worthwhile(&s->retry, r, NO_SPAN))
		return false;
	s->random = s->random * 1664525u + 1013904223u;
	delay = retry_delay(&s->retry, s->tries, asked, s->random >> 8);
	if (delay < 0)
		return false;
	s->not_before = now.mono + delay;
	return true;
}

void signin_feed(struct signin *s, const struct reply *r, const struct facts *f,
                 struct now now) {
	if (!s->in_flight)
		return;
	s->in_flight = false;
	if (again(s, r, now))
		return;
	if (r->error != NET_OK) {
		describe_net(s, r);
		give_up(s, now);
	} else if (r->status == 200 || r->status == 201) {
		accept(s, r, f, now);
	} else {
		describe_refusal(s, r, f, now);
		give_up(s, now);
	}
}

/* The challenge's claims stand alone: this client declares no capability of
   its own (a token of an hour needs no revocation protocol). */
static void build(const struct signin *s, struct request *q) {
	request_clear(q);
	q->method = HTTP_POST;
	q->timeout_ms = TRY_TIMEOUT;
	q->allow_http = span_istarts(buf_span(&s->authority), SPAN("http:"));
	q->no_proxy = q->allow_http; /* it would read the secret */
	buf_add(&q->url, buf_span(&s->authority));
	buf_addc(&q->url, '/');
	url_encode(&q->url, buf_span(&s->tenant_id));
	buf_adds(&q->url, "/oauth2/v2.0/token");
	request_header(q, "Accept", SPAN("application/json"));
	request_header(q, "Content-Type",
	               SPAN("application/x-www-form-urlencoded"));
	form_add(&q->body, "grant_type", SPAN("client_credentials"));
	form_add(&q->body, "client_id", buf_span(&s->client_id));
	form_add(&q->body, "client_secret", buf_span(&s->secret));
	form_add(&q->body, "scope", buf_span(&s->scope));
	if (s->claims.n > 0)
		form_add(&q->body, "claims", buf_span(&s->claims));
}

enum signin_want signin_next(struct signin *s, struct now now,
                             struct request *out, int64_t *until) {
	*until = NEVER;
	if (!s->wanted)
		return SIGNIN_IDLE;
	if (s->in_flight)
		return SIGNIN_WAIT;
	if (now.mono < s->not_before) {
		*until = s->not_before;
		return SIGNIN_WAIT;
	}
	switch (s->kind) {
	case SIGNIN_NONE:
		no_credential(s, now);
		return SIGNIN_IDLE;
	case SIGNIN_TOKEN:
		give_ready(s, now);
		return SIGNIN_IDLE;
	case SIGNIN_FUNCTION:
		return SIGNIN_CALL;
	case SIGNIN_CLIENT_SECRET:
		if (out)
			build(s, out);
		return SIGNIN_SEND;
	}
	return SIGNIN_IDLE;
}

void signin_sent(struct signin *s, struct now now) {
	s->in_flight = true;
	s->sent_at = now.mono; /* a token's life is counted from here */
}
