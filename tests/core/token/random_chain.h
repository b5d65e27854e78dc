/*
 * random_chain.h -- a chain of one to three ways to a token, of all kinds, with
 * random answers: whatever happens, what one link read, signed or was told is
 * never there for another, each file that is asked for is one that the link may
 * name, nothing comes out of a buffer that failed, no error holds what was sent
 * as a secret, and it ends.
 *
 * Chance is draw(), which each program that includes this has for itself.
 * Every answer's bytes name the link that they were given to ("<2:...>"), so
 * that a request shows where its bytes are from.
 */
#ifndef AZPEC_TEST_RANDOM_CHAIN_H
#define AZPEC_TEST_RANDOM_CHAIN_H

#include "support.h"

#include "core/token/cache.h"
#include "core/token/flow.h"

enum {
	MAX_CHAIN = 3,
	MAX_TURNS = 400, /* of one fetch: retries, polls of a device code */
	FETCHES = 2,
	MINUTE = 60 * 1000,
	HOUR = 60 * MINUTE,
};

#define KEYS "/var/opt/azcmagent/tokens/"
#define JWT_FILE "/run/secrets/federated"

static struct {
	struct chain s;
	struct request q;
	struct chain_spec specs[MAX_CHAIN];
	size_t count;
	int64_t ms;
	bool kind; /* all answers are good ones */
} t;

/* ---- chance ------------------------------------------------------------- */

/* Less than `below`. */
static uint32_t draw(uint32_t below);

static bool often(void) {
	return t.kind || draw(3) > 0;
}

/* ---- what a link is made of --------------------------------------------- */

/* A text of that link's; a few may be in use. */
static const char *mark(size_t link, const char *what) {
	static char ring[8][64];
	static size_t next;
	char *text = ring[next++ % COUNT(ring)];
	snprintf(text, sizeof ring[0], "<%zu:%s>", link, what);
	return text;
}

static const char *const endpoints[] = {
	"https://0.example/token",
	"https://1.example/token",
	"https://2.example/token",
};

/* They stay as long as the program. */
static const char *const secrets[] = { "<0:secret>", "<1:secret>",
	                               "<2:secret>" };
static const char *const files[] = { JWT_FILE "0", JWT_FILE "1", JWT_FILE "2" };

static const struct flow *const flows[] = {
	&flow_client_secret,
	&flow_client_certificate,
	&flow_client_assertion,
	&flow_workload_identity,
	&flow_github_actions,
	&flow_azure_pipelines,
	&flow_device_code,
	&flow_imds,
	&flow_app_service,
	&flow_arc,
	&flow_service_fabric,
	&flow_cloud_shell,
	&flow_azure_ml,
	&flow_token,
	&flow_function,
	&flow_azure_cli,
	&flow_azure_developer_cli,
	&flow_none,
};

static struct chain_spec spec_of(size_t link, const struct flow *flow) {
	struct chain_spec spec = {
		.flow = flow,
		.developer = flow == &flow_azure_cli ||
		             flow == &flow_azure_developer_cli || draw(2),
		.probed = flow == &flow_imds && draw(2),
		.send_x5c = draw(2),
		.shared = flow->shared && draw(2),
	};
	spec.value[SV_TENANT] = SPAN("tenant");
	spec.value[SV_CLIENT] = SPAN("client");
	spec.value[SV_PATH] = test_text(files[link]);
	spec.value[SV_ENDPOINT] = test_text(endpoints[link]);
	spec.value[SV_CONNECTION] = SPAN("connection");
	spec.value[SV_THUMBPRINT] =
		SPAN("6161616161616161616161616161616161616161");
	if (flow != &flow_client_secret || draw(2)) /* or a function's */
		spec.value[SV_SECRET] = test_text(secrets[link]);
	return spec;
}

/* ---- what may never happen ---------------------------------------------- */

static const char *name_of_link(void) {
	return t.s.links[t.s.at].spec.flow->name;
}

/* Bytes of another link's.  Form fields and queries are percent-encoded. */
static void expect_own(struct span bytes, const char *where) {
	for (size_t i = 0; i < t.count; i++) {
		char plain[32], encoded[32];
		snprintf(plain, sizeof plain, "<%zu:", i);
		snprintf(encoded, sizeof encoded, "%%3C%zu%%3A", i);
		if (i != t.s.at &&
		    (test_has(bytes, plain) || test_has(bytes, encoded)))
			FAIL("%s of %s (%zu) has bytes of link %zu: %.*s",
			     where, name_of_link(), t.s.at, i, (int)bytes.n,
			     bytes.p);
	}
}

static bool names_a_key(struct span path) {
	static const struct span dir = LITERAL(KEYS);
	return path.n > dir.n + 4 && !memcmp(path.p, dir.p, dir.n) &&
	       !memchr(path.p + dir.n, '/', path.n - dir.n) &&
	       !memcmp(path.p + path.n - 4, ".key", 4);
}

static void expect_need(void) {
	const struct flow *flow = t.s.links[t.s.at].spec.flow;
	struct span work = buf_span(&t.s.scratch.work);
	bool fine = true;
	switch (t.s.scratch.need) {
	case NEED_NOTHING:
		fine = false;
		break;
	case NEED_FILE:
		fine = flow == &flow_workload_identity &&
		       span_eq(work, test_text(files[t.s.at]));
		break;
	case NEED_KEY_FILE:
		fine = flow == &flow_arc && names_a_key(work);
		break;
	case NEED_PROGRAM:
		fine = work.n > 3 && work.p[work.n - 1] == '\0' &&
		       (flow == &flow_azure_cli
		                ? !memcmp(work.p, "az\0", 3)
		                : flow == &flow_azure_developer_cli &&
		                          !memcmp(work.p, "azd\0", 4));
		break;
	case NEED_SIGNATURE:
		fine = flow == &flow_client_certificate && work.n > 0;
		break;
	case NEED_FINGERPRINTS:
		fine = flow == &flow_service_fabric;
		break;
	case NEED_PROMPT:
		fine = flow == &flow_device_code && work.n >= 3;
		break;
	case NEED_CACHED:
		fine = t.s.first == &flow_cache && t.s.cache && work.n == 0;
		break;
	case NEED_TOKEN:
	case NEED_ASSERTION:
	case NEED_SECRET:
	case NEED_CERTIFICATE:
		break;
	}
	if (!fine || t.s.scratch.work.failed)
		FAIL("%s needs %d, of \"%.*s\"", flow->name,
		     (int)t.s.scratch.need, (int)work.n, work.p);
	expect_own(work, "a need");
}

static bool is_pipeline(const struct flow *flow) {
	return flow == &flow_github_actions || flow == &flow_azure_pipelines;
}

static void expect_request(void) {
	const struct flow *flow = t.s.links[t.s.at].spec.flow;
	struct span sent = request_field(&t.q, "Authorization");
	if (request_failed(&t.q))
		FAIL("%s sends out of a failed buffer", flow->name);
	expect_own(buf_span(&t.q.url), "the URL");
	expect_own(buf_span(&t.q.head), "the head");
	expect_own(buf_span(&t.q.body), "the body");
	if (sent.p && !(flow == &flow_arc && test_has(sent, "Basic <")) &&
	    !(is_pipeline(flow) && test_has(sent, "Bearer <")))
		FAIL("%s sends %.*s", flow->name, (int)sent.n, sent.p);
	if (test_has(buf_span(&t.q.body), "client_assertion=&") ||
	    test_has(buf_span(&t.q.body), "client_secret=&"))
		FAIL("%s sends an empty proof", flow->name);
}

/* Not even of this link's own. */
static void expect_no_secret(struct span text) {
	static const char *const kinds[] = { "secret", "proof", "refresh_token",
		                             "device_code", "token" };
	for (size_t i = 0; i < t.count * COUNT(kinds); i++) {
		const char *kind = kinds[i % COUNT(kinds)];
		char plain[64], encoded[64];
		snprintf(plain, sizeof plain, "<%zu:%s>", i / COUNT(kinds),
		         kind);
		snprintf(encoded, sizeof encoded, "%%3C%zu%%3A%s%%3E",
		         i / COUNT(kinds), kind);
		if (test_has(text, plain) || test_has(text, encoded))
			FAIL("an error has a %s: %.*s", kind, (int)text.n,
			     text.p);
	}
}

static void expect_clean_failure(void) {
	struct fail *f = &t.s.fail;
	expect_no_secret(buf_span(&f->message));
	expect_no_secret(buf_span(&f->code));
	expect_no_secret(buf_span(&f->request_id));
	expect_no_secret(buf_span(&f->correlation_id));
	for (size_t i = 0; i < t.count; i++)
		expect_no_secret(buf_span(&t.s.links[i].why));
}

/* Once it has ended, one way or another, nothing is kept for the next. */
static void expect_end(void) {
	if (t.s.scratch.work.n || t.s.scratch.assertion.n ||
	    t.s.scratch.device.n || t.s.scratch.step || t.s.scratch.need)
		FAIL("something is left of the fetch");
	if (!t.s.live && !chain_failure(&t.s))
		FAIL("it ended without a token and without a word");
	expect_clean_failure();
}

/* ---- answers ------------------------------------------------------------ */

static const char *const realms[] = {
	KEYS "one.key", KEYS "one.key", KEYS "../x.key",
	"/etc/shadow",  KEYS "x/y.key", "",
};

static const struct reply *challenge(int status) {
	char head[128];
	snprintf(head, sizeof head, "WWW-Authenticate: Basic realm%s%s%s",
	         draw(2) ? "=" : " = ", draw(2) ? "\"" : "",
	         t.kind ? realms[0] : realms[draw(COUNT(realms))]);
	return reply_of(status, head, "{}");
}

static struct facts token_facts(void) {
	struct facts f =
		facts_token(mark(t.s.at, "token"), draw(8) ? 3600 : -1);
	if (draw(2))
		f.as.token.refresh_token =
			test_text(mark(t.s.at, "refresh_token"));
	return f;
}

/* The request's body or its proof, as an error may repeat it: as it was sent,
   or percent-decoded. */
static const char *echo(void) {
	static char text[4096];
	struct span s = buf_span(&t.q.body), sent = s;
	bool decoded = draw(2);
	size_t n = 0;
	if (s.n == 0)
		s = sent = request_field(&t.q, "Authorization");
	while (s.n > 0 && n + 1 < sizeof text) {
		char code[3] = "", *end;
		unsigned long c = 0;
		bool coded = decoded && s.n > 2 && *s.p == '%';
		if (coded) /* the text does not end with a null byte */
			c = strtoul(memcpy(code, s.p + 1, 2), &end, 16);
		coded = coded && end == code + 2;
		text[n++] = coded ? (char)c : *s.p;
		s = span_from(s, coded ? 3 : 1);
	}
	text[n] = '\0';
	return sent.n > 0 ? text : mark(t.s.at, "said");
}

static struct facts id_token_facts(void) {
	struct facts f = facts_token(NULL, -1);
	f.as.token.id_token = test_text(mark(t.s.at, "proof"));
	return f;
}

static struct facts device_facts(void) {
	struct facts f = facts_object();
	f.document = DOCUMENT_DEVICE;
	f.as.device = NO_DEVICE;
	f.as.device.device_code = test_text(mark(t.s.at, "device_code"));
	f.as.device.user_code = test_text(mark(t.s.at, "user_code"));
	return f;
}

static void feed(const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, f, t.ms);
	chain_feed(&t.s, &a);
}

/* What its step asks for. */
static void feed_well(void) {
	const struct flow *flow = t.s.links[t.s.at].spec.flow;
	int step = t.s.scratch.step;
	if (flow == &flow_arc && !request_field(&t.q, "Authorization").p)
		feed(challenge(401), no_facts());
	else if (flow == &flow_imds && t.q.timeout_ms < 2000)
		feed(reply_of(400, NULL, "{}"),
		     facts_oauth("invalid_request", "no header"));
	else if (flow == &flow_service_fabric && t.q.handshake)
		feed(reply_of(0, NULL, mark(t.s.at, "certificate")),
		     no_facts());
	else if (flow == &flow_device_code && step == 0)
		feed(reply_of(200, NULL, "{}"), device_facts());
	else if (is_pipeline(flow) && step == 0)
		feed(reply_of(200, NULL, "{}"), id_token_facts());
	else
		feed(reply_of(200, NULL, "{}"), token_facts());
}

static void feed_ill(void) {
	static const char *const words[] = {
		"invalid_grant",   "authorization_pending",
		"slow_down",       "temporarily_unavailable",
		"invalid_request", "expired_token",
	};
	static const int statuses[] = { 200, 302, 400, 401, 403,
		                        404, 410, 429, 500, 503 };
	int status = statuses[draw(COUNT(statuses))];
	switch (draw(6)) {
	case 0:
		feed(no_reply((enum net_error)(NET_URL + draw(NET_COUNT - 1)),
		              draw(2)),
		     no_facts());
		break;
	case 1:
		feed(reply_of(status, NULL, "{}"),
		     facts_oauth(words[draw(COUNT(words))],
		                 draw(2) ? echo() : mark(t.s.at, "said")));
		break;
	case 2:
		feed(challenge(status), no_facts());
		break;
	case 3:
		feed(reply_of(status, NULL, "{}"), device_facts());
		break;
	case 4:
		feed(reply_of(status, "Content-Type: text/html", "<p>"),
		     facts_broken());
		break;
	default:
		feed(reply_of(status, NULL, "{}"), token_facts());
	}
}

/* ---- needs -------------------------------------------------------------- */

static void meet(struct span bytes) {
	chain_provided(&t.s, bytes, now_at(t.ms));
}

static void run_program(void) {
	static const char *const said[] = { "", "run az login", "AADSTS1: no",
		                            "{\"error\":\"x\"}" };
	struct program_result p = {
		.not_found = !often(),
		.timed_out = !often() && !draw(4),
		.status = often() ? 0 : 1,
		.out = SPAN("{}"),
		.err = test_text(said[draw(COUNT(said))]),
	};
	struct answer a =
		answer_of(NULL, often() ? token_facts() : no_facts(), t.ms);
	chain_program(&t.s, &p, &a);
}

/* Twenty bytes that are the thumbprint, and thirty-two more. */
static struct span fingerprints(void) {
	static char bytes[52];
	memset(bytes, 'a', sizeof bytes);
	if (!often())
		bytes[3] = 'b';
	return (struct span){ bytes, sizeof bytes };
}

/* A record of a link that shares its token, or of one that may not. */
static struct span record(void) {
	static char text[200];
	size_t link = draw((uint32_t)t.count);
	long long second = now_at(t.ms).wall / 1000;
	int n = snprintf(text, sizeof text,
	                 "azpec token 2\n%zu\n%lld\n%lld\n\n"
	                 "https://management.azure.com/.default\n%s",
	                 link, second + 3600, second + (draw(2) ? 3300 : 0),
	                 mark(link, "cached"));
	return (struct span){ text, draw(2) ? (size_t)n : 0 };
}

static void meet_well(void) {
	switch (t.s.scratch.need) {
	case NEED_NOTHING:
		break;
	case NEED_TOKEN:
		chain_give(&t.s, test_text(mark(t.s.at, "token")), -1,
		           now_at(t.ms));
		break;
	case NEED_CERTIFICATE:
		meet(SPAN("thumbprint\0[\"chain\"]"));
		break;
	case NEED_PROGRAM:
		run_program();
		break;
	case NEED_FINGERPRINTS:
		meet(fingerprints());
		break;
	case NEED_CACHED:
		meet(record());
		break;
	case NEED_ASSERTION:
	case NEED_SECRET:
	case NEED_SIGNATURE:
	case NEED_FILE:
	case NEED_KEY_FILE:
	case NEED_PROMPT:
		meet(test_text(mark(t.s.at, "proof")));
		break;
	}
}

static void meet_ill(void) {
	static const struct span odd[] = { LITERAL(""), LITERAL(" \n"),
		                           LITERAL("a b\r\nEvil: 1") };
	if (t.s.scratch.need == NEED_CACHED ||
	    (t.s.scratch.need != NEED_TOKEN &&
	     t.s.scratch.need != NEED_PROGRAM && draw(2)))
		meet(odd[draw(COUNT(odd))]);
	else
		chain_fail_need(&t.s, SPAN("not to be had"), draw(3),
		                now_at(t.ms));
}

/* ---- a run -------------------------------------------------------------- */

static void start(void) {
	t.count = 1 + draw(MAX_CHAIN);
	for (size_t i = 0; i < t.count; i++)
		t.specs[i] = spec_of(i, flows[draw(COUNT(flows))]);
}

static bool take_turn(void) {
	int64_t until;
	enum chain_want want = chain_next(&t.s, now_at(t.ms), &t.q, &until);
	if (want == CHAIN_IDLE)
		return false;
	if (want == CHAIN_WAIT) {
		assert_true(until != NEVER && until > t.ms);
		t.ms = until;
		return true;
	}
	if (want == CHAIN_SEND)
		expect_request();
	else
		expect_need();
	chain_sent(&t.s, now_at(t.ms));
	if (want == CHAIN_SEND && often())
		feed_well();
	else if (want == CHAIN_SEND)
		feed_ill();
	else if (often())
		meet_well();
	else
		meet_ill();
	return true;
}

static void fetch(struct span claims) {
	int turns = 0;
	chain_token(&t.s, t.s.generation, claims, now_at(t.ms));
	while (take_turn())
		if (++turns > MAX_TURNS)
			FAIL("%s does not end", name_of_link());
	expect_end();
}

/* Some cannot be asked for claims, and say so. */
static struct span claims(void) {
	bool can = draw(2);
	for (size_t i = 0; t.kind && i < t.count; i++)
		can = can && t.specs[i].flow->claims;
	return can ? SPAN("{\"a\":1}") : NO_SPAN;
}

/* Several fetches, for what the last one left may do harm in the next. */
static void play(void) {
	request_init(&t.q, test_mem());
	t.ms = 0;
	if (chain_init(&t.s, test_mem(), t.specs, t.count,
	               SPAN("https://login.example"),
	               SPAN("https://management.azure.com/.default"), 1)) {
		chain_share(&t.s, draw(2) ? &flow_cache : NULL);
		for (int i = 0; i < FETCHES; i++) {
			fetch(i ? claims() : NO_SPAN);
			t.ms += draw(2) ? 1 : HOUR;
		}
	}
	chain_free(&t.s);
	request_free(&t.q);
}

#endif
