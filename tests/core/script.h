/*
 * script.h -- conversations written down as tables, and who plays them: the
 * other side of an operation, one line a step.
 *
 *     { "patch_202_location_only",
 *       UPDATE,
 *       { PATCH,
 *         ANSWER(202, LOCATION(OPERATION) RETRY_AFTER("15"), NULL),
 *         WAIT(15000),
 *         GET(OPERATION),
 *         ANSWER(200, NULL, RESOURCE("Succeeded", "Approved")),
 *         DONE(KEEP_RESULT) } }
 *
 * Tokens are granted as they are asked for.  Every request, every wait to the
 * millisecond and the end must be as written; a request that is not written
 * down is one too many.  run_scripts then plays each scenario again with each
 * retryable failure put in before each answer: see `faults`.
 */
#ifndef AZPEC_TEST_SCRIPT_H
#define AZPEC_TEST_SCRIPT_H

#include "jsonfacts.h"

#include "core/op.h"

/* ---- addresses, header fields, bodies ----------------------------------- */

#define HOST "https://management.azure.com"
#define ACCOUNT                                                                \
	"/subscriptions/subid/resourceGroups/rg/providers/Microsoft.Batch/"    \
	"batchAccounts/sampleacct"
#define ID ACCOUNT "/privateEndpointConnections/pe.24d6"
#define VERSION "?api-version=2022-06-01"
#define CONNECTION HOST ID VERSION
#define CONNECTIONS HOST ACCOUNT "/privateEndpointConnections" VERSION
#define RESULTS ACCOUNT "/privateEndpointConnectionResults/"
#define OPERATION HOST RESULTS "Updating$pe.24d6$1" VERSION
#define SECOND HOST RESULTS "Updating$pe.24d6$2" VERSION
#define DELETION HOST RESULTS "Deleting$pe.24d6$3" VERSION
#define AUTHORIZATION                                                          \
	HOST "/subscriptions/subid/providers/Microsoft.Authorization/"
#define ACQUISITION AUTHORIZATION "acquirePolicyToken?api-version=2025-11-01"
#define ACQUIRED AUTHORIZATION "operationStatuses/7?api-version=2025-11-01"

#define LOCATION(url) "Location: " url "\n"
#define ASYNC(url) "Azure-AsyncOperation: " url "\n"
#define RETRY_AFTER(text) "Retry-After: " text "\n"
#define ETAG(text) "ETag: " text "\n"
#define JSON_TYPE "Content-Type: application/json; charset=utf-8\n"
#define CLAIMS_FIELD                                                           \
	"WWW-Authenticate: Bearer authorization_uri=\"https://login\", "       \
	"error=\"insufficient_claims\", claims=\"eyJhIjoxfQ==\"\n"
#define CLAIMS "{\"a\":1}"

#define RESOURCE_WITH(properties)                                              \
	"{\"id\":\"" ID "\",\"name\":\"pe.24d6\",\"properties\":{" properties  \
	"}}"
#define STATE(status)                                                          \
	"\"privateLinkServiceConnectionState\":{\"status\":\"" status          \
	"\",\"actionsRequired\":\"None\"}"
#define RESOURCE(provisioning, status)                                         \
	RESOURCE_WITH("\"provisioningState\":\"" provisioning                  \
	              "\"," STATE(status))
#define MONITOR(word) "{\"status\":\"" word "\"}"
#define ERROR(code, message)                                                   \
	"{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}"

/* ---- what is asked for -------------------------------------------------- */

struct asked {
	enum op_kind kind;
	const char *url; /* NULL: the connection */
	const char *status, *description, *action_required, *if_match;
	int64_t timeout, poll_interval, max_delay; /* ms; 0: the default */
	int max_tries;
	bool conflict;           /* a 409 is to be retried */
	const char *resume_url;  /* where another process looked */
	enum poll_source resume; /* and by what */
	const char *from;        /* the status that it had found */
	bool resumed;
	bool unanswered; /* ... and its write was not accepted */
	bool read_only;  /* of a resumed ensure: it must not write */
	bool skip_read;  /* of an ensure: it was just read */
	enum policy_when policy;
	const char *change; /* the change reference */
	const char *token;  /* the access token; NULL: not looked at */
};

#define UPDATE                                                                 \
	{ .kind = OP_UPDATE, .status = "Approved" }
#define UPDATE_WITH(...)                                                       \
	{ .kind = OP_UPDATE, .status = "Approved", __VA_ARGS__ }
#define DELETE                                                                 \
	{ .kind = OP_DELETE }
#define DELETE_WITH(...)                                                       \
	{ .kind = OP_DELETE, __VA_ARGS__ }
#define ENSURE                                                                 \
	{ .kind = OP_ENSURE, .status = "Approved" }
#define ENSURE_WITH(...)                                                       \
	{ .kind = OP_ENSURE, .status = "Approved", __VA_ARGS__ }
#define READ                                                                   \
	{ .kind = OP_GET }
#define LIST                                                                   \
	{ .kind = OP_LIST, .url = CONNECTIONS }
#define GRAPH HOST "/providers/Microsoft.ResourceGraph/resources"
#define QUERY                                                                  \
	{ .kind = OP_QUERY, .url = GRAPH }
#define RESUMED(by, at)                                                        \
	{                                                                      \
		.kind = OP_UPDATE, .status = "Approved", .resumed = true,      \
		.resume = by, .resume_url = at                                 \
	}

/* ---- steps -------------------------------------------------------------- */

enum act {
	THE_END,
	ACT_SENDS,    /* it wants this request sent */
	ACT_ANSWERS,  /* that is answered */
	ACT_BREAKS,   /* that ends below HTTP */
	ACT_WAITS,    /* it wants to wait: from least to most ms */
	ACT_PASS,     /* time passes, whatever it wants */
	ACT_DEADLINE, /* time passes up to its deadline */
	ACT_TOKEN,    /* it wants another token than the refused one */
	ACT_AWAITS,   /* it wants a token, and has to wait for it */
	ACT_NO_TOKEN, /* it wants a token and gets none */
	ACT_STOP,     /* its caller cancels it */
	ACT_TURN,     /* list: the next page, please */
	ACT_LAST,     /* list: there is no next page */
	ACT_DONE,
	ACT_FAILS,
	ACT_SAYS,      /* after the end: the message, or the hint, has this */
	ACT_CHANGED,   /* after the end: did it change anything? */
	ACT_UNTRUSTED, /* a polling URL was not followed, and is reported */
	ACT_KEEPS,     /* the last answer is kept so */
	ACT_SHOWS,     /* the service's last word, and its progress */
	ACT_FAILURES,  /* how often its request has failed */
	ACT_TOKEN_ID,  /* the id of the policy token that it has */
	ACT_IDS,       /* after the end: the service's ids of the answer */
	ACT_SPENT,     /* after the end: the time that a phase took */
	ACT_RETRYABLE, /* after the end: would the same call do later? */
	ACT_POLLS,     /* how many polls were sent */
	ACT_EVALUATES, /* will a failed evaluation be requested again? */
	ACT_COUNTED,   /* counts tries or time itself: no fault is put in */
};

struct step {
	enum act act;
	enum http_method method;
	const char *text; /* URL; header of an answer; claims; part of a text */
	const char *body; /* of an answer; If-Match of a write */
	const char *policy; /* of a write: the policy token */
	int status;
	int64_t least, most;
	enum net_error error;
	bool sent;
	enum op_keep keep;
	enum fail_kind kind;
	enum phase phase;
	bool unknown;
};

#define SENDS(m, url)                                                          \
	{ .act = ACT_SENDS, .method = m, .text = url }
#define GET(url) SENDS(HTTP_GET, url)
/* The query, by the end of its options. */
#define ASKS(rest)                                                             \
	{                                                                      \
		.act = ACT_SENDS, .method = HTTP_POST, .text = GRAPH,          \
		.body = "{\"query\":\"resources\",\"options\":{"               \
			"\"resultFormat\":\"objectArray\",\"$top\":7" rest     \
			"}}"                                                   \
	}
#define PATCH SENDS(HTTP_PATCH, CONNECTION)
#define PATCH_IF(tag)                                                          \
	{                                                                      \
		.act = ACT_SENDS, .method = HTTP_PATCH, .text = CONNECTION,    \
		.body = tag                                                    \
	}
#define DELETES SENDS(HTTP_DELETE, CONNECTION)
#define DELETES_IF(tag)                                                        \
	{                                                                      \
		.act = ACT_SENDS, .method = HTTP_DELETE, .text = CONNECTION,   \
		.body = tag                                                    \
	}
/* The same, with that policy token. */
#define PATCH_WITH(token)                                                      \
	{                                                                      \
		.act = ACT_SENDS, .method = HTTP_PATCH, .text = CONNECTION,    \
		.policy = token                                                \
	}
#define PATCH_IF_WITH(tag, token)                                              \
	{                                                                      \
		.act = ACT_SENDS, .method = HTTP_PATCH, .text = CONNECTION,    \
		.body = tag, .policy = token                                   \
	}
#define DELETES_WITH(token)                                                    \
	{                                                                      \
		.act = ACT_SENDS, .method = HTTP_DELETE, .text = CONNECTION,   \
		.policy = token                                                \
	}
/* The request for one; what it says of the write is checked. */
#define ACQUIRES SENDS(HTTP_POST, ACQUISITION)
#define ANSWER(code, fields, json)                                             \
	{ .act = ACT_ANSWERS, .status = code, .text = fields, .body = json }
#define BREAK(how, was_sent)                                                   \
	{ .act = ACT_BREAKS, .error = how, .sent = was_sent }
#define LOST BREAK(NET_RECV, true)
#define UNREACHED BREAK(NET_CONNECT, false)
#define WAIT(ms)                                                               \
	{ .act = ACT_WAITS, .least = ms, .most = ms }
/* (2^n - 1) * 0.8 s, with 0.8 to 1.3 of it as jitter. */
#define BACKOFF(n)                                                             \
	{                                                                      \
		.act = ACT_WAITS, .least = ((1 << (n)) - 1) * 640,             \
		.most = ((1 << (n)) - 1) * 1040                                \
	}
#define PASS(ms)                                                               \
	{ .act = ACT_PASS, .least = ms }
#define DEADLINE                                                               \
	{ .act = ACT_DEADLINE }
#define NEW_TOKEN                                                              \
	{ .act = ACT_TOKEN }
#define NEW_TOKEN_WITH(claims)                                                 \
	{ .act = ACT_TOKEN, .text = claims }
#define TOKEN_AWAITED                                                          \
	{ .act = ACT_AWAITS }
#define NO_TOKEN                                                               \
	{ .act = ACT_NO_TOKEN }
#define CANCELS                                                                \
	{ .act = ACT_STOP }
#define NEXT_PAGE                                                              \
	{ .act = ACT_TURN }
#define NO_MORE_PAGES                                                          \
	{ .act = ACT_LAST }
#define DONE(what)                                                             \
	{ .act = ACT_DONE, .keep = what }
#define FAILS(as, where, code, name)                                           \
	{                                                                      \
		.act = ACT_FAILS, .kind = as, .phase = where, .status = code,  \
		.text = name                                                   \
	}
/* ... and what became of a write is not known: it can be resumed. */
#define FAILS_UNKNOWN(as, where, code, name)                                   \
	{                                                                      \
		.act = ACT_FAILS, .kind = as, .phase = where, .status = code,  \
		.text = name, .unknown = true                                  \
	}
#define SAYS(part)                                                             \
	{ .act = ACT_SAYS, .text = part }
/* ... unless a fault leaves open what became of the write. */
#define SAYS_SURELY(part)                                                      \
	{ .act = ACT_SAYS, .text = part, .sent = true }
#define CHANGED                                                                \
	{ .act = ACT_CHANGED, .sent = true }
#define UNCHANGED                                                              \
	{ .act = ACT_CHANGED }
#define POLLED(times)                                                          \
	{ .act = ACT_POLLS, .status = times }
#define EVALUATES_AGAIN_AFTER(reason)                                          \
	{ .act = ACT_EVALUATES, .sent = true, .text = reason }
#define NO_EVALUATION_AGAIN                                                    \
	{ .act = ACT_EVALUATES }
#define UNTRUSTED                                                              \
	{ .act = ACT_UNTRUSTED }
#define SHOWS_PROGRESS(word, percent)                                          \
	{ .act = ACT_SHOWS, .text = word, .status = percent }
#define KEEPS(what)                                                            \
	{ .act = ACT_KEEPS, .keep = what }
#define IDS(request, correlation)                                              \
	{ .act = ACT_IDS, .text = request, .body = correlation }
#define POLICY_TOKEN_ID(id)                                                    \
	{ .act = ACT_TOKEN_ID, .text = id }
#define FAILURES(n)                                                            \
	{ .act = ACT_FAILURES, .status = n }
#define SPENT(where, ms)                                                       \
	{ .act = ACT_SPENT, .phase = where, .least = ms }
#define RETRYABLE_IN(ms)                                                       \
	{ .act = ACT_RETRYABLE, .sent = true, .least = ms }
#define NOT_RETRYABLE                                                          \
	{ .act = ACT_RETRYABLE, .least = -1 }
#define NOT_RETRYABLE_AFTER(ms)                                                \
	{ .act = ACT_RETRYABLE, .least = ms }
#define COUNTED                                                                \
	{ .act = ACT_COUNTED }

/* ---- turns that many conversations have ---------------------------------- */

#define PENDING RESOURCE("Succeeded", "Pending")
#define APPROVED RESOURCE("Succeeded", "Approved")
#define NOT_FOUND_ERROR ERROR("ResourceNotFound", "none")
#define GONE ANSWER(404, NULL, NOT_FOUND_ERROR)
#define UPDATING RESOURCE("Updating", "Pending")
/* Accepted, and the first look. */
#define BY_LOCATION                                                            \
	PATCH, ANSWER(202, LOCATION(OPERATION) RETRY_AFTER("15"), NULL),       \
		WAIT(15000), GET(OPERATION)
#define BY_MONITOR                                                             \
	PATCH, ANSWER(202, ASYNC(OPERATION) RETRY_AFTER("15"), NULL),          \
		WAIT(15000), GET(OPERATION)
#define BY_BOTH                                                                \
	PATCH,                                                                 \
		ANSWER(202,                                                    \
	               ASYNC(OPERATION) LOCATION(OPERATION) RETRY_AFTER("15"), \
	               NULL),                                                  \
		WAIT(15000), GET(OPERATION)
#define BY_RESOURCE                                                            \
	PATCH, ANSWER(202, RETRY_AFTER("15"), NULL), WAIT(15000),              \
		GET(CONNECTION)
/* The monitor says so; the resource shows it. */
#define CONFIRMED                                                              \
	ANSWER(200, NULL, MONITOR("Succeeded")), GET(CONNECTION),              \
		ANSWER(200, NULL, APPROVED), DONE(KEEP_RESULT)

/* The look before a write is sent again: nothing has happened. */
#define AS_BEFORE GET(CONNECTION), ANSWER(200, NULL, PENDING)
#define AS_BEFORE_WITH(tag) GET(CONNECTION), ANSWER(200, ETAG(tag), PENDING)
/* Not as asked, once more and then three times: five looks with the one before,
   after a word of success. */
#define STAYS(json)                                                            \
	WAIT(2000), GET(CONNECTION), ANSWER(200, NULL, json), WAIT(3000),      \
		GET(CONNECTION), ANSWER(200, NULL, json), WAIT(4500),          \
		GET(CONNECTION), ANSWER(200, NULL, json), WAIT(6750),          \
		GET(CONNECTION), ANSWER(200, NULL, json)

/* ---- the table ---------------------------------------------------------- */

struct scenario {
	const char *name;
	struct asked asked;
	struct step steps[48]; /* up to one that is all zero */
};

/* ---- the player --------------------------------------------------------- */

/* A retryable failure to be put in, and what a settling look then shows. */
struct fault {
	const char *name;
	int status;
	const char *head, *body;
	enum net_error error;
	bool sent;      /* the request may have been carried out all the same */
	bool gets_only; /* a broken 200: only what is read can be read again */
	bool carried_out; /* ... and it was */
};

struct player {
	const struct scenario *scenario;
	const struct step *step;
	struct op_config cfg;
	struct buf token;
	struct url origin;
	struct op op;
	struct request request;
	int64_t t;
	uint32_t generation;
	const struct fault *fault; /* NULL: as written */
	int fault_at;              /* before the answer to this request */
	enum http_method last;     /* of the last request */
	int sends;                 /* requests so far, as written */
	bool unclear;              /* the fault may have hidden a success */
	bool over; /* a settling look has ended it before the script did */
};

/* One line about where it went wrong. */
#define OFF(p, ...)                                                            \
	do {                                                                   \
		char what_[1024];                                              \
		snprintf(what_, sizeof what_, __VA_ARGS__);                    \
		FAIL("%s, step %d%s%s: %s", (p)->scenario->name,               \
		     (int)((p)->step - (p)->scenario->steps) + 1,              \
		     (p)->fault ? ", with " : "",                              \
		     (p)->fault ? (p)->fault->name : "", what_);               \
	} while (0)

static inline const char *want_name(enum op_want w) {
	static const char *const names[] = { "TOKEN", "SEND", "WAIT", "DONE",
		                             "FAIL" };
	return names[w];
}

static inline struct op_spec spec_of(const struct asked *a) {
	struct op_spec s = {
		.kind = a->kind,
		.url = test_text(a->url ? a->url : CONNECTION),
		.id = SPAN(ID),
		.api_version = SPAN("2022-06-01"),
		.query = a->kind == OP_QUERY ? SPAN("{\"query\":\"resources\"}")
		                             : NO_SPAN,
		.top = 7,
		.status = test_text(a->status),
		.description = test_text(a->description),
		.action_required = test_text(a->action_required),
		.if_match = test_text(a->if_match),
		.client_request_id = SPAN("11111111-2222-3333-4444-5555"),
		.timeout = a->timeout ? a->timeout : 300000,
		.poll_interval = a->poll_interval,
		.seed = 42,
		.read_only = a->read_only,
		.skip_read = a->skip_read,
		.policy = a->policy,
		.change_reference = test_text(a->change),
	};
	return s;
}

static inline void player_init(struct player *p, const struct scenario *s) {
	const struct asked *a = &s->asked;
	struct op_spec spec = spec_of(a);
	*p = (struct player){ .scenario = s, .step = s->steps, .t = 5000 };
	assert_true(url_parse(SPAN(HOST "/"), &p->origin));
	p->cfg = (struct op_config){ .mem = test_mem(),
		                     .origins = &p->origin,
		                     .origin_count = 1,
		                     .retry = RETRY_DEFAULT,
		                     .try_timeout = 100000 };
	p->cfg.retry.conflict = a->conflict;
	if (a->max_tries)
		p->cfg.retry.max_tries = a->max_tries;
	if (a->max_delay)
		p->cfg.retry.max_delay = p->cfg.retry.max_asked = a->max_delay;
	buf_init(&p->token, test_mem(), BUF_MAX);
	buf_set(&p->token, test_text(a->token));
	p->cfg.token = a->token ? &p->token : NULL;
	assert_true(op_init(&p->op, &p->cfg, &spec));
	request_init(&p->request, test_mem());
	if (a->resumed)
		assert_true(op_resume(
			&p->op,
			&(struct op_begun){ .source = a->resume,
		                            .url = test_text(a->resume_url),
		                            .from = test_text(a->from),
		                            .changed = !a->unanswered }));
	assert_string_equal(op_call(&p->op),
	                    a->resumed ? "resume" : op_calls[a->kind]);
}

static inline void player_free(struct player *p) {
	request_free(&p->request);
	op_free(&p->op);
	buf_free(&p->token);
}

static inline void rebuild(struct player *p) {
	request_free(&p->request);
	request_init(&p->request, test_mem());
}

/* Asks twice: the answers must not differ. */
static inline enum op_want ask(struct player *p, int64_t *until) {
	int64_t again;
	enum op_want want;
	rebuild(p);
	want = op_next(&p->op, now_at(p->t), &p->request, until);
	rebuild(p);
	if (op_next(&p->op, now_at(p->t), &p->request, &again) != want ||
	    again != *until)
		OFF(p, "asked twice, it answers %s and something else",
		    want_name(want));
	return want;
}

static inline void grant(struct player *p) {
	op_grant(&p->op, ++p->generation, now_at(p->t));
}

/* What it wants once it has its token.  Another one than the one that was
   refused has to be written down. */
static inline enum op_want wants(struct player *p, int64_t *until) {
	enum op_want want = ask(p, until);
	if (want != OP_TOKEN)
		return want;
	if (p->op.refused)
		OFF(p, "it wants a new token");
	grant(p);
	return ask(p, until);
}

static inline void expect(struct player *p, enum op_want want, int64_t *until) {
	enum op_want is = wants(p, until);
	if (is == want)
		return;
	if (is == OP_SEND)
		OFF(p, "SEND %s %.*s and not %s",
		    http_method_name(p->request.method), (int)p->request.url.n,
		    p->request.url.p, want_name(want));
	OFF(p, "%s (until +%lld; %.*s) and not %s", want_name(is),
	    (long long)(*until - p->t), (int)p->op.fail.message.n,
	    p->op.fail.message.n ? p->op.fail.message.p : "", want_name(want));
}

static inline void check_field(struct player *p, const char *name,
                               const char *value) {
	struct span is = request_field(&p->request, name);
	if (!span_eq(is, test_text(value)) || !is.p != !value)
		OFF(p, "%s is %s\"%.*s\"", name, is.p ? "" : "absent ",
		    (int)is.n, is.p ? is.p : "");
}

/* The PATCH's body: the state that the scenario asks for. */
static inline struct span state_of(const struct asked *a) {
	static char body[1024];
	const char *const members[][2] = {
		{ "status", a->status },
		{ "description", a->description },
		{ "actionRequired", a->action_required },
	};
	const char *comma = "";
	int n = snprintf(body, sizeof body,
	                 "{\"properties\":"
	                 "{\"privateLinkServiceConnectionState\":{");
	for (size_t i = 0; i < COUNT(members); i++) {
		if (!members[i][1])
			continue;
		n += snprintf(body + n, sizeof body - (size_t)n,
		              "%s\"%s\":\"%s\"", comma, members[i][0],
		              members[i][1]);
		comma = ",";
	}
	n += snprintf(body + n, sizeof body - (size_t)n, "}}}");
	return (struct span){ body, (size_t)n };
}

/* It says of the write what the write will say, byte for byte. */
static inline void check_acquisition(struct player *p, bool begins) {
	const struct asked *a = &p->scenario->asked;
	bool deletes = a->kind == OP_DELETE;
	struct span content = deletes ? SPAN("") : state_of(a);
	char body[2048];
	int n;
	if (!begins) /* it is polled */
		return;
	n = snprintf(body, sizeof body,
	             "{%s%s%s\"operation\":{\"uri\":\"%s\","
	             "\"httpMethod\":\"%s\"%s%.*s}}",
	             a->change ? "\"changeReference\":\"" : "",
	             a->change ? a->change : "", a->change ? "\"," : "",
	             CONNECTION, deletes ? "DELETE" : "PATCH",
	             deletes ? "" : ",\"content\":", (int)content.n, content.p);
	if (!span_eq(buf_span(&p->request.body),
	             (struct span){ body, (size_t)n }))
		OFF(p, "it says %.*s", (int)p->request.body.n,
		    p->request.body.p);
	check_field(p, "x-ms-force-sync", "true");
}

static inline void check_request(struct player *p, const struct step *s) {
	const struct request *q = &p->request;
	bool post = s->method == HTTP_POST;
	bool write = s->method == HTTP_PATCH || s->method == HTTP_DELETE;
	int64_t left = p->op.deadline - p->t, most = p->cfg.try_timeout;
	if (q->method != s->method ||
	    !span_eq(buf_span(&q->url), test_text(s->text)))
		OFF(p, "%s %.*s and not %s %s", http_method_name(q->method),
		    (int)q->url.n, q->url.p, http_method_name(s->method),
		    s->text);
	check_field(p, "If-Match", write ? s->body : NULL);
	check_field(p, "x-ms-client-request-id",
	            "11111111-2222-3333-4444-5555");
	check_field(p, "Accept", "application/json");
	check_field(p, "Content-Type",
	            post || s->method == HTTP_PATCH ? "application/json"
	                                            : NULL);
	if ((q->body.n > 0) != (post || s->method == HTTP_PATCH))
		OFF(p, "a body of %u bytes", q->body.n);
	if (s->method == HTTP_PATCH &&
	    !span_eq(buf_span(&q->body), state_of(&p->scenario->asked)))
		OFF(p, "it asks for %.*s", (int)q->body.n, q->body.p);
	check_field(p, POLICY_HEADER, s->policy);
	if (op_acquires(&p->op))
		check_acquisition(p, post);
	else if (post && !span_eq(buf_span(&q->body), test_text(s->body)))
		OFF(p, "the body is %.*s", (int)q->body.n, q->body.p);
	/* shortly after its own deadline, which comes first */
	if (q->timeout_ms != (left < most ? left + 200 : most))
		OFF(p, "%lld ms for it", (long long)q->timeout_ms);
}

static inline void send(struct player *p, const struct step *s) {
	int64_t until;
	expect(p, OP_SEND, &until);
	check_request(p, s);
	op_sent(&p->op, now_at(p->t));
	p->last = s->method;
	if (ask(p, &until) != OP_WAIT || until != p->op.deadline)
		OFF(p, "in flight, it does not wait for its deadline");
}

static inline void feed(struct player *p, const struct reply *r) {
	struct span body = buf_span(&r->body);
	struct facts f = op_acquires(&p->op) ? policy_facts_of(body)
	                                     : facts_of(body, p->op.spec.kind);
	struct answer a = answer_of(r, f, p->t);
	op_feed(&p->op, &a);
}

static inline void feed_step(struct player *p, const struct step *s) {
	feed(p, s->act == ACT_BREAKS ? no_reply(s->error, s->sent)
	                             : reply_of(s->status, s->text, s->body));
}

static inline void wait_as_told(struct player *p, const struct step *s) {
	int64_t until, early;
	/* One more try makes a longer back-off, and an unreadable poll a longer
	   pause. */
	bool loose = p->fault && (s->least < s->most || p->fault->gets_only);
	expect(p, OP_WAIT, &until);
	if (!loose && (until - p->t < s->least || until - p->t > s->most))
		OFF(p, "it waits %lld ms and not %lld", (long long)until - p->t,
		    (long long)s->least);
	p->t = until - 1;
	expect(p, OP_WAIT, &early);
	if (early != until)
		OFF(p, "asked early, it waits longer");
	p->t = until;
}

static inline void new_token(struct player *p, const struct step *s) {
	int64_t until;
	if (ask(p, &until) != OP_TOKEN || p->op.refused != p->generation)
		OFF(p, "it wants no new token");
	if (!span_eq(buf_span(&p->op.claims), test_text(s->text)))
		OFF(p, "the claims are \"%.*s\"", (int)p->op.claims.n,
		    p->op.claims.n ? p->op.claims.p : "");
	grant(p);
}

static inline void await_token(struct player *p) {
	int64_t until;
	if (ask(p, &until) != OP_TOKEN)
		OFF(p, "it wants no token");
	if (until != p->op.deadline)
		OFF(p, "it does not wait for its token until its deadline");
}

static inline void no_token(struct player *p) {
	struct fail why;
	await_token(p);
	fail_init(&why, test_mem());
	fail_set(&why, FAIL_CREDENTIAL, PHASE_TOKEN, "no such secret");
	op_no_token(&p->op, &why, now_at(p->t));
	fail_free(&why);
}

/* ---- ends --------------------------------------------------------------- */

static inline void check_failure(struct player *p, const struct step *s) {
	const struct fail *f = &p->op.fail;
	if (f->kind != s->kind || f->phase != s->phase)
		OFF(p, "%s in %s and not %s in %s: %.*s",
		    fail_kind_name(f->kind), phase_name(f->phase),
		    fail_kind_name(s->kind), phase_name(s->phase),
		    (int)f->message.n, f->message.n ? f->message.p : "");
	if (f->http_status != s->status)
		OFF(p, "HTTP status %d and not %d", f->http_status, s->status);
	if (s->text && !span_eq(buf_span(&f->code), test_text(s->text)))
		OFF(p, "the code is \"%.*s\"", (int)f->code.n,
		    f->code.n ? f->code.p : "");
	if (f->message.n == 0)
		OFF(p, "no message");
}

/* May what became of a write be unknown at this end?  As written; a fault
   that may hide a success leaves it so. */
static inline bool may_be_unknown(const struct player *p,
                                  const struct step *s) {
	if (s->act == ACT_DONE || s->kind == FAIL_OPERATION)
		return false;
	return s->unknown || p->unclear;
}

/* Nothing that happens later changes an end. */
static inline void stays_ended(struct player *p, enum op_want want) {
	struct op *o = &p->op;
	enum fail_kind kind = o->fail.kind;
	bool unknown = op_unknown(o);
	int64_t until, t = p->t;
	feed(p, reply_of(200, NULL, RESOURCE("Succeeded", "Approved")));
	op_grant(o, 99, now_at(t));
	op_sent(o, now_at(t));
	op_no_token(o, &o->fail, now_at(t));
	op_veto(o, SPAN("too late"), now_at(t));
	op_stop(o, FAIL_CANCELED, "too late", now_at(t));
	op_cancel(o, "too late", now_at(t));
	p->t += 1000000;
	if (ask(p, &until) != want || o->fail.kind != kind ||
	    op_unknown(o) != unknown)
		OFF(p, "the end did not last");
	p->t = t;
}

/* With a fault that may hide a success, what was found may be our own work. */
static inline bool may_be_ours(const struct player *p) {
	return p->unclear && p->op.changed;
}

static inline void end(struct player *p, const struct step *s) {
	enum op_want want = s->act == ACT_DONE ? OP_DONE : OP_FAIL;
	bool unknown = may_be_unknown(p, s);
	int64_t until;
	expect(p, want, &until);
	if (s->act == ACT_FAILS)
		check_failure(p, s);
	else if (p->op.keep != s->keep && !may_be_ours(p))
		OFF(p, "it keeps %d and not %d", p->op.keep, s->keep);
	if (op_unknown(&p->op) != unknown)
		OFF(p, "what became of the write is %s known",
		    unknown ? "said to be" : "not");
	if (p->step[1].act != ACT_TURN && p->step[1].act != ACT_LAST)
		stays_ended(p, want);
}

static inline void says(struct player *p, const char *part) {
	const struct fail *f = &p->op.fail;
	if (!test_has(buf_span(&f->message), part) &&
	    !test_has(test_text(f->hint), part))
		OFF(p, "neither \"%.*s\" nor \"%s\" has \"%s\"",
		    (int)f->message.n, f->message.n ? f->message.p : "",
		    f->hint ? f->hint : "", part);
}

/* What an end, or the way to it, lets be seen; with a fault put in it differs
   honestly. */
static inline void looks(struct player *p, const struct step *s) {
	const struct op *o = &p->op;
	const struct fail *f = &o->fail;
	bool ok = true;
	if (p->fault)
		return;
	if (s->act == ACT_SHOWS)
		ok = span_eq(buf_span(&o->last_status), test_text(s->text)) &&
		     o->percent == s->status;
	else if (s->act == ACT_TOKEN_ID)
		ok = span_eq(buf_span(&o->change.policy->id),
		             test_text(s->text));
	else if (s->act == ACT_FAILURES)
		ok = op_failures(o) == s->status;
	else if (s->act == ACT_IDS)
		ok = span_eq(buf_span(&f->request_id), test_text(s->text)) &&
		     span_eq(buf_span(&f->correlation_id), test_text(s->body));
	else if (s->act == ACT_SPENT)
		ok = o->spent[s->phase] == s->least;
	else if (s->act == ACT_RETRYABLE)
		ok = f->retryable == s->sent && f->retry_after == s->least;
	if (!ok)
		OFF(p,
		    "word \"%.*s\", %d %%, ids %.*s %.*s, %lld ms, again %d "
		    "in %lld ms",
		    (int)o->last_status.n, o->last_status.p, o->percent,
		    (int)f->request_id.n, f->request_id.p,
		    (int)f->correlation_id.n, f->correlation_id.p,
		    (long long)o->spent[s->phase], f->retryable,
		    (long long)f->retry_after);
}

/* ---- a fault put in ----------------------------------------------------- */

static inline bool reads(enum http_method method) {
	return method == HTTP_GET || method == HTTP_POST; /* a query */
}

/* Does the fault leave open whether the write was carried out? */
static inline bool is_unclear(const struct player *p, const struct step *s) {
	return p->fault->sent && !reads(s->method);
}

/* Before a write is sent again the resource is looked at: it is as before, or,
   where the fault has hidden a success, as asked. */
static inline void look(struct player *p, const struct step *s) {
	const struct step get = GET(CONNECTION);
	const struct asked *a = &p->scenario->asked;
	bool named = a->description || a->action_required;
	bool done = p->fault->carried_out && !named;
	char head[256] = "";
	if (s->body) /* the tag that the write was guarded with */
		snprintf(head, sizeof head, "ETag: %s\n", s->body);
	send(p, &get);
	if (done && a->kind == OP_DELETE)
		feed(p, reply_of(404, NULL, NOT_FOUND_ERROR));
	else
		feed(p, reply_of(200, head, done ? APPROVED : PENDING));
	p->over = done;
	p->unclear = true;
}

/* The request is in flight; it fails in a way that is worth another try.  The
   same request must follow, byte for byte; a write after a look. */
static inline void put_in(struct player *p, const struct step *s) {
	const struct step done =
		DONE(p->scenario->asked.kind == OP_DELETE ? KEEP_NOTHING
	                                                  : KEEP_RESULT);
	const struct fault *f = p->fault;
	int64_t until;
	feed(p, f->error != NET_OK ? no_reply(f->error, f->sent)
	                           : reply_of(f->status, f->head, f->body));
	expect(p, OP_WAIT, &until);
	if (until >= p->op.deadline || until <= p->t)
		OFF(p, "no pause before the next try");
	p->t = until;
	if (is_unclear(p, s))
		look(p, s);
	if (p->over)
		end(p, &done);
	else
		send(p, s);
}

/* The last answer refused a write whose first try may have been carried out:
   the resource is looked at until that is no old copy. */
static inline void settle(struct player *p) {
	const struct step look = GET(CONNECTION);
	enum op_want want;
	int64_t until;
	while (p->unclear && !p->op.refused) {
		want = ask(p, &until);
		if (want == OP_WAIT) {
			p->t = until;
			want = ask(p, &until);
		}
		if (want != OP_TOKEN)
			return;
		send(p, &look);
		feed(p, reply_of(200, NULL, PENDING));
	}
}

/* ---- playing ------------------------------------------------------------ */

static inline void play_end(struct player *p, const struct step *s) {
	if (s->act == ACT_FAILS)
		settle(p);
	end(p, s);
}

static inline void play_step(struct player *p, const struct step *s) {
	switch (s->act) {
	case THE_END:
	case ACT_COUNTED:
		break;
	case ACT_SENDS:
		if (p->last == HTTP_GET) /* looked at in between */
			p->unclear = p->unclear && s->method == HTTP_GET;
		send(p, s);
		if (p->sends++ == p->fault_at && p->fault)
			put_in(p, s);
		break;
	case ACT_ANSWERS:
	case ACT_BREAKS:
		feed_step(p, s);
		break;
	case ACT_WAITS:
		wait_as_told(p, s);
		break;
	case ACT_PASS:
		p->t += s->least;
		break;
	case ACT_DEADLINE:
		p->t = p->op.deadline;
		break;
	case ACT_TOKEN:
		new_token(p, s);
		break;
	case ACT_AWAITS:
		await_token(p);
		break;
	case ACT_NO_TOKEN:
		no_token(p);
		break;
	case ACT_STOP:
		op_cancel(&p->op, "canceled", now_at(p->t));
		break;
	case ACT_TURN:
		if (!op_next_page(&p->op))
			OFF(p, "there is no next page");
		break;
	case ACT_LAST:
		if (op_next_page(&p->op))
			OFF(p, "there is another page");
		break;
	case ACT_DONE:
	case ACT_FAILS:
		play_end(p, s);
		break;
	case ACT_SAYS:
		if (!s->sent || !p->unclear)
			says(p, s->text);
		break;
	case ACT_CHANGED:
		if (p->op.changed != s->sent && !may_be_ours(p))
			OFF(p, "changed is %d", p->op.changed);
		break;
	case ACT_POLLS:
		if (p->op.polls != s->status)
			OFF(p, "%d polls and not %d", p->op.polls, s->status);
		break;
	case ACT_EVALUATES:
		if (op_evaluates_again(&p->op) != s->sent)
			OFF(p, "an evaluation is requested again: %d",
			    !s->sent);
		if (s->text && !span_eq(buf_span(&p->op.change.policy->reason),
		                        test_text(s->text)))
			OFF(p, "the reason is not \"%s\"", s->text);
		break;
	case ACT_KEEPS:
		if (p->op.keep != s->keep)
			OFF(p, "it keeps %d and not %d", p->op.keep, s->keep);
		break;
	case ACT_SHOWS:
	case ACT_FAILURES:
	case ACT_TOKEN_ID:
	case ACT_IDS:
	case ACT_SPENT:
	case ACT_RETRYABLE:
		looks(p, s);
		break;
	case ACT_UNTRUSTED:
		if (!p->op.untrusted)
			OFF(p, "nothing is said of an untrusted URL");
		break;
	}
}

static inline void play(const struct scenario *s, const struct fault *fault,
                        int at) {
	struct player p;
	player_init(&p, s);
	p.fault = fault;
	p.fault_at = at;
	for (; p.step->act != THE_END && !p.over; p.step++)
		play_step(&p, p.step);
	player_free(&p);
	test_no_leaks();
}

static inline void test_as_written(void **state) {
	play(*state, NULL, -1);
}

/* ---- a fault at every step ---------------------------------------------- */

static const struct fault faults[] = {
	{ .name = "503", .status = 503, .sent = true },
	{ .name = "503 and a wish",
	  .status = 503,
	  .head = RETRY_AFTER("3"),
	  .body = ERROR("ServerTimeout", "later"),
	  .sent = true },
	{ .name = "504 although carried out",
	  .status = 504,
	  .sent = true,
	  .carried_out = true },
	{ .name = "500", .status = 500, .sent = true },
	{ .name = "502", .status = 502, .body = "<html>", .sent = true },
	{ .name = "429 and a wish",
	  .status = 429,
	  .head = RETRY_AFTER("7"),
	  .body = ERROR("SubscriptionRequestsThrottled", "7 seconds") },
	{ .name = "429", .status = 429 },
	{ .name = "408", .status = 408, .sent = true },
	{ .name = "no name server", .error = NET_RESOLVE },
	{ .name = "connection refused", .error = NET_CONNECT },
	{ .name = "handshake broken off", .error = NET_TLS },
	{ .name = "reset before it was sent", .error = NET_SEND },
	{ .name = "reset while it was sent", .error = NET_SEND, .sent = true },
	{ .name = "answer lost", .error = NET_RECV, .sent = true },
	{ .name = "answer lost although carried out",
	  .error = NET_RECV,
	  .sent = true,
	  .carried_out = true },
	{ .name = "time-out", .error = NET_TIMEOUT, .sent = true },
	{ .name = "body cut off",
	  .status = 200,
	  .head = JSON_TYPE,
	  .body = "{\"properties\":{\"provis",
	  .gets_only = true },
};

static inline bool is_retryable(const struct step *s) {
	return s->act == ACT_BREAKS || s->status == 408 || s->status == 429 ||
	       s->status == 500 || s->status == 502 || s->status == 503 ||
	       s->status == 504;
}

/* Where a fault may stand: not beside one that the scenario has itself, and
   not where nobody answers. */
static inline bool may_put_in(const struct step *s, const struct fault *f) {
	if (s[1].act != ACT_ANSWERS || is_retryable(&s[1]))
		return false;
	return !f->gets_only || reads(s->method);
}

/* The end, what is kept, every other request and every other wait stay as
   they are written, and no write is sent beyond the repeated one. */
static inline void test_with_faults(void **state) {
	const struct scenario *s = *state;
	int at = 0;
	for (const struct step *step = s->steps; step->act; step++) {
		if (step->act != ACT_SENDS)
			continue;
		for (size_t i = 0; i < COUNT(faults); i++)
			if (may_put_in(step, &faults[i]))
				play(s, &faults[i], at);
		at++;
	}
}

/* ---- all of them -------------------------------------------------------- */

static inline bool is_counted(const struct scenario *s) {
	const struct step *step = s->steps;
	while (step->act && step->act != ACT_COUNTED)
		step++;
	return step->act == ACT_COUNTED;
}

/* A table of scenarios under its own name, which begins the tests' names. */
struct script_group {
	const char *name;
	const struct scenario *all;
	size_t n;
};
#define SCRIPTS(table)                                                         \
	{ #table, table, COUNT(table) }

/* Adds a test of one scenario; the name has to outlive the run. */
static inline void add_script(struct CMUnitTest *test, char (*name)[160],
                              const struct script_group *group,
                              const struct scenario *scenario, bool faulty) {
	union { /* cmocka hands it on as it is; nobody changes it */
		const struct scenario *given;
		void *state;
	} one = { scenario };
	snprintf(*name, sizeof *name, "%s: %s%s", group->name, scenario->name,
	         faulty ? ", a fault at every step" : "");
	*test = (struct CMUnitTest){ *name,
		                     faulty ? test_with_faults
		                            : test_as_written,
		                     test_begin, test_end, one.state };
}

/* Each scenario as written, then each with faults, as tests of their own. */
static inline int run_scripts(const struct script_group *groups, size_t n) {
	struct CMUnitTest *tests;
	char(*names)[160];
	size_t count = 0;
	int failed;
	for (size_t g = 0; g < n; g++)
		count += 2 * groups[g].n;
	tests = calloc(count, sizeof *tests);
	names = calloc(count, sizeof *names);
	assert_true(tests && names);
	count = 0;
	for (size_t g = 0; g < n; g++)
		for (size_t i = 0; i < groups[g].n; i++)
			for (int faulty = 0; faulty < 2; faulty++) {
				if (faulty && is_counted(&groups[g].all[i]))
					continue;
				add_script(&tests[count], &names[count],
				           &groups[g], &groups[g].all[i],
				           faulty);
				count++;
			}
	failed = _cmocka_run_group_tests(groups[0].name, tests, count, NULL,
	                                 NULL);
	free(names);
	free(tests);
	return failed;
}
#define RUN_SCRIPTS(...)                                                       \
	run_scripts((const struct script_group[]){ __VA_ARGS__ },              \
	            sizeof((const struct script_group[]){ __VA_ARGS__ }) /     \
	                    sizeof(struct script_group))

#endif
