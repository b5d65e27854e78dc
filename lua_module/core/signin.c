/* signin.c -- the token's life, and the chain of those who may provide one. */
#include "signin.h"

#include "base64.h"

enum {
	MAX_TEXT = 256 * 1024,
	MAX_TOKEN = 64 * 1024,
	EARLY = 300000,      /* ms before its end that a token is renewed */
	PAUSE = 30000,       /* ms between tries to renew a living token */
	ABSENT_FOR = 300000, /* ms that "not here" is believed */
};

/* ---- birth and death ---------------------------------------------------- */

static bool link_init(struct link *l, const struct mem *mem,
                      const struct signin_spec *spec) {
	size_t n = 0;
	*l = (struct link){ .spec = *spec, .took = -1 };
	buf_init(&l->text, mem, MAX_TEXT);
	buf_init(&l->refresh_token, mem, MAX_TEXT);
	buf_init(&l->why, mem, MAX_TEXT);
	l->text.secret = l->refresh_token.secret = true;
	for (int i = 0; i < SV_COUNT; i++)
		n += spec->value[i].n + 1;
	if (!buf_reserve(&l->text, n))
		return false;
	for (int i = 0; i < SV_COUNT; i++) {
		struct span *s = &l->spec.value[i];
		struct span copy = { l->text.p + l->text.n, s->n };
		if (!s->p)
			continue;
		buf_add(&l->text, *s);
		*s = copy;
	}
	return true;
}

/* All buffers that no link has for itself; the scratch's come first. */
enum { SCRATCH_BUFFERS = 3, ALL_BUFFERS = 8 };

static void list_buffers(struct signin *s, struct buf *all[ALL_BUFFERS]) {
	struct buf *list[ALL_BUFFERS] = {
		&s->scratch.work,   &s->scratch.assertion,
		&s->scratch.device, &s->authority,
		&s->scope,          &s->claims,
		&s->token,          &s->endpoint
	};
	for (int i = 0; i < ALL_BUFFERS; i++)
		all[i] = list[i];
}

static void init_buffers(struct signin *s, const struct mem *mem) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (int i = 0; i < ALL_BUFFERS; i++) {
		buf_init(all[i], mem, MAX_TEXT);
		all[i]->secret = true;
	}
	s->token.max = MAX_TOKEN;
	fail_init(&s->fail, mem);
}

bool signin_init(struct signin *s, const struct mem *mem,
                 const struct signin_spec *specs, size_t count,
                 struct span authority, struct span scope, uint32_t seed) {
	*s = (struct signin){ .mem = mem,
		              .retry = RETRY_DEFAULT,
		              .random = seed | 1 };
	s->retry.max_tries = 3;
	init_buffers(s, mem);
	buf_add(&s->authority, authority);
	buf_add(&s->scope, scope);
	s->links = mem_resize(mem, NULL, 0, count * sizeof *s->links);
	if (!s->links)
		return false;
	bool ok = !s->authority.failed && !s->scope.failed;
	for (s->count = 0; s->count < count; s->count++)
		ok = link_init(&s->links[s->count], mem, &specs[s->count]) &&
		     ok;
	return ok;
}

bool signin_find(struct signin *s, const struct flow *how,
                 struct span endpoint) {
	s->first = how;
	buf_set(&s->endpoint, endpoint);
	return !s->endpoint.failed;
}

void signin_free(struct signin *s) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (size_t i = 0; i < s->count; i++) {
		buf_free(&s->links[i].text);
		buf_free(&s->links[i].refresh_token);
		buf_free(&s->links[i].why);
	}
	if (s->links)
		mem_resize(s->mem, s->links, s->count * sizeof *s->links, 0);
	s->links = NULL;
	s->count = 0;
	for (int i = 0; i < ALL_BUFFERS; i++)
		buf_free(all[i]);
	fail_free(&s->fail);
}

/* ---- the token's life --------------------------------------------------- */

static const char no_memory[] =
	"there is not enough memory for the sign-in, or a text of it is larger "
	"than allowed";

const struct link *signin_link(const struct signin *s) {
	return &s->links[s->at];
}

static const struct flow *flow_of(const struct signin *s) {
	return s->first ? s->first : s->links[s->at].spec.flow;
}

void signin_step(struct signin *s, int step, int64_t not_before) {
	s->scratch.step = step;
	s->scratch.tries = 0;
	s->not_before = not_before;
}

/* The one place that empties it; what was in it is overwritten. */
static void clear_scratch(struct signin *s) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (int i = 0; i < SCRATCH_BUFFERS; i++)
		buf_free(all[i]);
	s->scratch.step = s->scratch.tries = 0;
	s->scratch.need = NEED_NOTHING;
	s->scratch.interval = s->scratch.device_ends = 0;
}

static void try_link(struct signin *s, size_t at, struct now now) {
	s->at = at;
	s->began = now.mono;
	if (!s->first)
		s->links[at].outcome = LINK_TRYING;
	clear_scratch(s);
	s->not_before = now.mono;
}

static void forget(struct link *l) {
	l->outcome = LINK_UNTRIED;
	l->took = -1;
	buf_clear(&l->why);
}

void signin_found(struct signin *s, struct now now) {
	s->first = NULL;
	try_link(s, s->at, now);
}

static void begin(struct signin *s, struct now now) {
	if (s->wanted)
		return;
	s->wanted = true;
	s->in_flight = false;
	for (size_t i = s->chosen ? s->chosen - 1 : 0; i < s->count; i++)
		forget(&s->links[i]);
	s->with_claims = s->claims.n > 0;
	s->fail.kind = FAIL_NONE;
	try_link(s, s->chosen ? s->chosen - 1 : 0, now);
}

static void end_fetch(struct signin *s) {
	s->wanted = s->in_flight = false;
	clear_scratch(s);
}

/* Ends it without a token.  One that still lives is none the worse for it. */
static void give_up(struct signin *s, struct now now) {
	if (s->fail.message.failed)
		fail_set(&s->fail, FAIL_LIMIT, PHASE_TOKEN, no_memory);
	if (s->live)
		s->refresh_at = now.mono + PAUSE;
	end_fetch(s);
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

/* RFC 7519: three parts, the second of them the claims in base64url. */
bool signin_claims(const struct signin *s, struct buf *out) {
	struct span rest = buf_span(&s->token), claims;
	span_word(&rest, ".");
	claims = span_word(&rest, ".");
	buf_clear(out);
	return rest.n > 0 && base64_decode(out, claims);
}

const struct fail *signin_failure(const struct signin *s) {
	return s->wanted || s->fail.kind == FAIL_NONE ? NULL : &s->fail;
}

/* Of a managed identity's source. */
static const char nobody_there[] =
	"nobody hands out tokens there: does this run on Azure, and has it a "
	"managed identity?";

void signin_progress(const struct signin *s, struct fail *out) {
	const struct flow *flow = flow_of(s);
	struct buf *m = &out->message;
	if (!s->wanted)
		return;
	fail_set(out, FAIL_TIMEOUT, PHASE_TOKEN,
	         s->first ? "the cloud's discovery" : "the sign-in by ");
	buf_adds(m, s->first ? "" : flow->name);
	buf_adds(m, " has not ended");
	out->hint = flow->local ? nobody_there : NULL;
	if (s->fail.kind != FAIL_NONE) {
		buf_adds(m, ": ");
		buf_add(m, buf_span(&s->fail.message));
		out->hint = s->fail.hint;
	}
}

/* What can stand in a header field without ending it. */
static bool printable(struct span s) {
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0;
}

/* Five minutes early, at half its life when that is short, or when the
   authority says so. */
static int64_t refresh_after(int64_t life, int64_t refresh_in) {
	if (refresh_in > 0 && refresh_in * 1000 < life)
		return refresh_in * 1000;
	return life > EARLY ? life - EARLY : life / 2;
}

void signin_take(struct signin *s, struct span token, int64_t lives,
                 int64_t refresh_in, struct now now) {
	struct link *l = &s->links[s->at];
	bool large = token.n > MAX_TOKEN;
	const char *why = large ? "the token is larger than allowed"
	                  : !printable(token)
	                          ? "the token is empty or holds characters "
	                            "that cannot stand in a header field"
	                  : lives <= 0 || lives > SIGNIN_LONGEST
	                          ? "the token's time of expiry makes no sense"
	                          : NULL;
	if (why) {
		fail_set(&s->fail, large ? FAIL_LIMIT : FAIL_CREDENTIAL,
		         PHASE_TOKEN, why);
		signin_fail(s, now);
		return;
	}
	buf_set(&s->token, token);
	if (s->token.failed) {
		s->live = false;
		buf_clear(&s->token);
		signin_exhausted(s, no_memory, now);
		return;
	}
	s->generation++;
	s->live = true;
	s->source = s->at;
	s->chosen = s->at + 1;
	s->fail.kind = FAIL_NONE;
	l->outcome = LINK_TOKEN;
	l->took = now.mono - s->began;
	buf_clear(&l->why);
	s->expires = s->sent_at + lives * 1000;
	s->refresh_at = s->sent_at + refresh_after(lives * 1000, refresh_in);
	end_fetch(s);
	if (s->with_claims) {
		buf_clear(&s->claims);
	} else if (s->claims.n > 0) { /* they came while it was fetched */
		s->live = false;
		begin(s, now);
	}
}

/* ---- the chain ---------------------------------------------------------- */

void signin_describe(struct signin *s, const char *message,
                     struct span detail) {
	fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN, message);
	if (detail.n > 0)
		signin_add(s, detail);
}

enum { SECRETS = 5 };

/* All that the present link has sent, or could. */
static struct secrets secrets_of(const struct signin *s,
                                 struct span list[SECRETS]) {
	const struct link *l = &s->links[s->at];
	list[0] = l->spec.value[SV_SECRET];
	list[1] = buf_span(&s->scratch.assertion);
	list[2] = buf_span(&s->scratch.device);
	list[3] = buf_span(&l->refresh_token);
	list[4] = buf_span(&s->token);
	return (struct secrets){ list, SECRETS };
}

void signin_add(struct signin *s, struct span text) {
	struct span list[SECRETS];
	fail_add_without(&s->fail, text, secrets_of(s, list));
}

void signin_note(struct signin *s, struct buf *out, struct span text) {
	struct span list[SECRETS];
	buf_clear(out);
	fail_redact(out, text, secrets_of(s, list), out->max);
}

/* "azure_cli: not installed (12 ms); ..." */
static void add_links(struct signin *s) {
	struct buf *m = &s->fail.message;
	for (size_t i = 0; i < s->count; i++) {
		struct link *l = &s->links[i];
		if (l->took < 0)
			continue;
		buf_adds(m, i == 0 ? "" : "; ");
		buf_adds(m, l->spec.flow->name);
		buf_adds(m, ": ");
		buf_add(m, buf_span(&l->why));
		buf_adds(m, " (");
		buf_addint(m, l->took);
		buf_adds(m, " ms)");
	}
}

static void close_link(struct signin *s, enum link_outcome outcome,
                       struct now now) {
	struct link *l = &s->links[s->at];
	l->outcome = outcome;
	l->took = now.mono - s->began;
	buf_set(&l->why, buf_span(&s->fail.message));
}

static void next_link(struct signin *s, struct now now) {
	s->in_flight = false;
	s->chosen = 0;
	if (s->at + 1 < s->count) {
		s->fail.kind = FAIL_NONE;
		try_link(s, s->at + 1, now);
		return;
	}
	if (s->count > 1) {
		const char *hint = s->fail.hint;
		fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN,
		         "no credential of the chain gave a token: ");
		add_links(s);
		s->fail.hint = hint ? hint
		                    : "set up one of these, or give one of "
		                      "azpec.credential's values as "
		                      "`credential`";
	}
	give_up(s, now);
}

void signin_fail(struct signin *s, struct now now) {
	if (s->first) { /* no link was tried */
		give_up(s, now);
		return;
	}
	close_link(s, LINK_FAILED, now);
	if (s->links[s->at].spec.developer) {
		next_link(s, now);
		return;
	}
	if (s->at > 0) { /* what was tried before it, too */
		buf_set(&s->fail.message, SPAN("the chain stopped: "));
		add_links(s);
	}
	s->chosen = 0;
	give_up(s, now);
}

/* Another credential is no answer to that, so the chain does not go on. */
void signin_exhausted(struct signin *s, const char *why, struct now now) {
	fail_set(&s->fail, FAIL_LIMIT, PHASE_TOKEN, why);
	if (!s->first)
		close_link(s, LINK_FAILED, now);
	if (s->claims.failed) /* the next challenge has them again */
		buf_clear(&s->claims);
	s->chosen = 0;
	give_up(s, now);
}

void signin_absent(struct signin *s, const char *why, struct span detail,
                   struct now now) {
	signin_describe(s, why, detail);
	close_link(s, LINK_ABSENT, now);
	next_link(s, now);
}

/* ---- what happened ------------------------------------------------------ */

static const char *hint_of_net(const struct flow *flow, enum net_error e) {
	if (flow->local && (e == NET_CONNECT || e == NET_TIMEOUT))
		return nobody_there;
	if (flow->local && (e == NET_URL || e == NET_RESOLVE))
		return "check IDENTITY_ENDPOINT, MSI_ENDPOINT and "
		       "AZURE_POD_IDENTITY_AUTHORITY_HOST";
	switch (e) {
	case NET_CERT:
		return "if the server's certificate comes from a company's own "
		       "authority, as behind an inspecting proxy, name its CA "
		       "file (ca_file, or SSL_CERT_FILE)";
	case NET_CA:
		return "check ca_file and ca_path, or SSL_CERT_FILE, "
		       "CURL_CA_BUNDLE and SSL_CERT_DIR";
	case NET_PROXY_AUTH:
		return http_proxy_hint;
	case NET_PROXY:
	case NET_PROXY_REFUSED:
		return "check the proxy's address and whether it lets this "
		       "through: `proxy`, HTTPS_PROXY, NO_PROXY";
	case NET_RESOLVE:
		return "check the name server and the cloud: is this host "
		       "meant, and does a proxy have to be used?";
	default:
		return NULL;
	}
}

static void describe_net(struct signin *s, const struct reply *r) {
	signin_describe(s, "sign-in failed: ", NO_SPAN);
	s->fail.kind = fail_kind_of_net(r->error);
	buf_adds(&s->fail.message, net_error_text(r->error));
	if (r->note.n > 0) {
		buf_adds(&s->fail.message, ": ");
		signin_add(s, buf_span(&r->note));
	}
	s->fail.retryable = retry_worthwhile(&s->retry, r, NO_SPAN);
	s->fail.hint = hint_of_net(flow_of(s), r->error);
}

/* Why the same is tried once more: the link's trouble so far. */
static void note_trouble(struct signin *s, const struct reply *r) {
	if (r->error != NET_OK) {
		describe_net(s, r);
	} else {
		signin_describe(s, "sign-in failed: HTTP ", NO_SPAN);
		buf_addint(&s->fail.message, r->status);
	}
	if (!s->first)
		buf_set(&s->links[s->at].why, buf_span(&s->fail.message));
}

/* Only these two of OAuth's errors may pass by themselves. */
static bool passing(const struct answer *a) {
	return span_eq(a->facts.oauth_error, SPAN("temporarily_unavailable")) ||
	       span_eq(a->facts.oauth_error, SPAN("server_error"));
}

static bool again(struct signin *s, const struct answer *a) {
	const struct flow *flow = flow_of(s);
	int64_t asked = a->http->error == NET_OK
	                        ? http_retry_after(a->http, a->at.wall)
	                        : -1;
	int64_t delay = -1;
	s->scratch.tries++;
	s->random = s->random * 1664525u + 1013904223u;
	if (flow->again)
		delay = flow->again(s, a, asked);
	else if (passing(a) || retry_worthwhile(&s->retry, a->http, NO_SPAN))
		delay = retry_delay(&s->retry, s->scratch.tries, asked,
		                    s->random >> 8);
	if (delay < 0)
		return false;
	s->not_before = a->at.mono + delay;
	note_trouble(s, a->http);
	return true;
}

/* A source that nobody answers for is not here, when it was only probed. */
static void nobody(struct signin *s, const struct reply *r, struct now now) {
	struct link *l = &s->links[s->at];
	describe_net(s, r);
	if (s->first || !l->spec.probed) {
		signin_fail(s, now);
		return;
	}
	l->absent_until = now.mono + ABSENT_FOR;
	close_link(s, LINK_ABSENT, now);
	next_link(s, now);
}

void signin_feed(struct signin *s, const struct answer *a) {
	if (!s->in_flight || s->scratch.need != NEED_NOTHING)
		return;
	s->in_flight = false;
	if (again(s, a))
		return;
	if (a->http->error != NET_OK)
		nobody(s, a->http, a->at);
	else
		flow_of(s)->fed(s, a);
}

/* A need is being met, and is so from now on. */
static bool is_met(struct signin *s) {
	if (!s->in_flight || s->scratch.need == NEED_NOTHING)
		return false;
	s->in_flight = false;
	s->scratch.need = NEED_NOTHING;
	return true;
}

void signin_meet(struct signin *s, struct span bytes, struct now now) {
	if (is_met(s))
		flow_of(s)->met(s, bytes, now);
}

void signin_print(struct signin *s, const struct answer *a) {
	if (is_met(s))
		flow_of(s)->printed(s, a);
}

void signin_fail_need(struct signin *s, struct span why, bool absent,
                      struct now now) {
	if (!is_met(s))
		return;
	if (absent) {
		signin_absent(s, "", why, now);
		return;
	}
	signin_describe(s, "", why);
	signin_fail(s, now);
}

void signin_give(struct signin *s, struct span token, int64_t expires_on,
                 struct now now) {
	int64_t hour = 3600; /* where the host does not say */
	s->scratch.need = NEED_NOTHING;
	signin_take(s, token,
	            expires_on < 0 ? hour : expires_on - now.wall / 1000, -1,
	            now);
}

/* ---- what it wants ------------------------------------------------------ */

/* The command that a person can give instead.  az decodes padded base64 of the
   usual alphabet. */
static void add_claims(struct signin *s, const struct link *l) {
	struct buf encoded;
	if (!l->spec.flow->claims_hint)
		return;
	buf_init(&encoded, s->mem, MAX_TEXT);
	base64_encode(&encoded, buf_span(&s->claims));
	if (l->spec.value[SV_TENANT].n > 0) {
		buf_adds(&s->fail.message, " --tenant ");
		buf_add(&s->fail.message, l->spec.value[SV_TENANT]);
	}
	buf_adds(&s->fail.message, " --claims-challenge ");
	buf_add(&s->fail.message, buf_span(&encoded));
	buf_adds(&s->fail.message, " --scope ");
	buf_add(&s->fail.message, buf_span(&s->scope));
	buf_free(&encoded);
}

/* One that was lately not here, or cannot do what is asked for, is passed
   over. */
static bool skipped(struct signin *s, struct now now) {
	const struct link *l = &s->links[s->at];
	if (s->scratch.step > 0 || s->first)
		return false;
	if (s->claims.n > 0 && !l->spec.flow->claims && s->generation > 0) {
		signin_describe(s,
		                "the service wants a token with other claims "
		                "(conditional access), which this credential "
		                "cannot ask for: ",
		                span_of(l->spec.flow->claims_hint
		                                ? l->spec.flow->claims_hint
		                                : "sign in anew, or use "
		                                  "another"));
		add_claims(s, l);
		signin_fail(s, now);
		return true;
	}
	if (now.mono >= l->absent_until)
		return false;
	signin_absent(s, "not here when it was last looked for", NO_SPAN, now);
	return true;
}

/* What a failed buffer held is gone, and what is left is another request, or
   another file, than the one that was meant. */
static bool is_whole(struct signin *s, enum signin_want want,
                     const struct request *q) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (int i = 0; i < ALL_BUFFERS; i++)
		if (all[i]->failed)
			return false;
	return want != SIGNIN_SEND || !request_failed(q);
}

enum signin_want signin_next(struct signin *s, struct now now,
                             struct request *out, int64_t *until) {
	*until = NEVER;
	while (s->wanted) {
		enum signin_want want;
		if (s->in_flight)
			return SIGNIN_WAIT;
		if (now.mono < s->not_before) {
			*until = s->not_before;
			return SIGNIN_WAIT;
		}
		if (skipped(s, now))
			continue;
		s->scratch.need = NEED_NOTHING;
		want = flow_of(s)->ask(s, out, now);
		if (want == SIGNIN_IDLE)
			continue;
		if (is_whole(s, want, out))
			return want;
		signin_exhausted(s, no_memory, now);
	}
	return SIGNIN_IDLE;
}

void signin_sent(struct signin *s, struct now now) {
	s->in_flight = true;
	s->sent_at = now.mono; /* a token's life is counted from here */
}
