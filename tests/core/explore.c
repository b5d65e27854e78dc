/*
 * explore.c -- everything that can happen to an operation: each sequence of
 * happenings up to a depth, from each starting request, and after each
 * happening what must always hold:
 *
 *   - no success without evidence about the resource that was asked for;
 *   - no second write before a look has settled what became of the first;
 *   - a write whose end is not known is never passed over in silence, and one
 *     whose end is known is never called unknown;
 *   - no write after a policy's refusal without the policy token that was
 *     issued last, and none elsewhere: it is on no other request.
 *
 * What must hold is worked out here from the happenings alone (struct history)
 * and not from the machine's own notes.
 *
 * `explore DEPTH` tells how many sequences there were, and prints the rules,
 * all of which they reached.  `explore --page` prints the rules as
 * core/README.md shows them, `explore --diagram` the drawing alone.  Without an
 * argument it is a test like the others, and goes less deep.
 */
#include "jsonfacts.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/op.h"
#include "core/op_rules.h"

/* ---- the alphabet ------------------------------------------------------- */

#define HOST "https://management.azure.com"
#define ACCOUNT                                                                \
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/"         \
	"batchAccounts/acct"
#define ID ACCOUNT "/privateEndpointConnections/pe.1"
#define CONNECTION HOST ID "?api-version=2022-06-01"
#define MONITOR                                                                \
	HOST ACCOUNT "/privateEndpointConnectionResults/Updating$pe.1$1"       \
		     "?api-version=2022-06-01"
#define ACQUISITION                                                            \
	HOST "/subscriptions/s/providers/Microsoft.Authorization/"             \
	     "acquirePolicyToken?api-version=2025-11-01"
#define GUARDED(change)                                                        \
	"{\"error\":{\"code\":\"RequestDisallowedByPolicy\","                  \
	"\"additionalInfo\":[{\"info\":{\"missingPolicyTokenDetails\":{"       \
	"\"shouldDeny\":true,\"isChangeReferenceRequired\":" change "}}}]}}"
#define ISSUED(result, token)                                                  \
	"{\"result\":\"" result "\",\"token\":\"" token "\"}"
#define POLICY_DENIES                                                          \
	"{\"result\":\"Succeeded\",\"results\":[{\"policyAction\":\"Deny\"}]}"
#define EVALUATED_LATER                                                        \
	"{\"result\":\"Failed\",\"retryAfter\":\"2024-01-01T00:00:30Z\"}"
#define EVIL "https://management.azure.com.evil.example/x"
#define RESOURCE(state, status)                                                \
	"{\"id\":\"" ID "\",\"properties\":{\"provisioningState\":\"" state    \
	"\",\"privateLinkServiceConnectionState\":{\"status\":\"" status       \
	"\"}}}"
#define OTHER                                                                  \
	"{\"id\":\"" ACCOUNT "/privateEndpointConnections/other\","            \
	"\"properties\":{\"provisioningState\":\"Succeeded\","                 \
	"\"privateLinkServiceConnectionState\":{\"status\":\"Approved\"}}}"
#define OURS_WITH_ERROR "{\"id\":\"" ID "\",\"error\":{\"code\":\"Bad\"}}"
#define ABOUT_REQUEST "{\"error\":{\"code\":\"MissingApiVersionParameter\"}}"
#define ERROR "{\"error\":{\"code\":\"Bad\",\"message\":\"so\"}}"
#define JSON_TYPE "Content-Type: application/json\n"
#define CHALLENGE "WWW-Authenticate: Bearer claims=\"eyJhIjoxfQ==\"\n"

/* What an answer shows, to somebody who knows what was asked for. */
enum shows {
	NOTHING_CLEAR,
	SO,           /* the resource, final, approved */
	NOT_SO,       /* the resource, final, pending */
	ON_ITS_WAY,   /* the resource, updating */
	STATE_FAILED, /* the resource's own state */
	AN_ERROR,     /* in a 200 */
	SUCCESS_WORD,
	FAILURE_WORD,
	NOTHING_LEFT, /* an empty final answer */
	A_PAGE,
};

enum event {
	ANSWER,
	BREAK,
	NO_TOKEN,
	CANCEL_BEFORE,
	CANCEL_FLYING,
	DEADLINE_BEFORE,
	DEADLINE_FLYING,
};

struct happening {
	const char *name;
	enum event event;
	enum shows shows;
	int status;
	const char *head, *body;
	enum net_error error;
	bool sent;
	struct reply *reply;              /* made once, of the above */
	struct facts facts, policy_facts; /* as an acquisition's answer */
};

#define ON(title, what, code, fields, json)                                    \
	{                                                                      \
		.name = title, .event = ANSWER, .shows = what, .status = code, \
		.head = fields, .body = json                                   \
	}
#define BREAKS(title, how, was_sent)                                           \
	{ .name = title, .event = BREAK, .error = how, .sent = was_sent }
#define ELSE(title, what)                                                      \
	{ .name = title, .event = what }

static struct happening happenings[] = {
	ON("200 approved", SO, 200, "ETag: \"1\"\n",
	   RESOURCE("Succeeded", "Approved")),
	ON("200 pending", NOT_SO, 200, "ETag: W/\"2\"\n",
	   RESOURCE("Succeeded", "Pending")),
	ON("200 pending, changed", NOT_SO, 200, "ETag: \"3\"\n",
	   RESOURCE("Succeeded", "Pending")),
	ON("200 updating", ON_ITS_WAY, 200, NULL,
	   RESOURCE("Updating", "Pending")),
	ON("200 updating, monitor", ON_ITS_WAY, 200,
	   "Azure-AsyncOperation: " MONITOR "\n",
	   RESOURCE("Updating", "Pending")),
	ON("201 updating, foreign monitor", ON_ITS_WAY, 201,
	   "Azure-AsyncOperation: " EVIL "\n",
	   RESOURCE("Updating", "Approved")),
	ON("200 approved, monitor", SO, 200,
	   "Azure-AsyncOperation: " MONITOR "\n",
	   RESOURCE("Succeeded", "Approved")),
	ON("200 approved, other", NOTHING_CLEAR, 200, NULL, OTHER),
	ON("200 with an error", STATE_FAILED, 200, NULL, OURS_WITH_ERROR),
	ON("200 failed", STATE_FAILED, 200, NULL,
	   RESOURCE("Failed", "Pending")),
	ON("200 error", AN_ERROR, 200, NULL, ERROR),
	ON("200 empty", NOTHING_LEFT, 200, JSON_TYPE, NULL),
	ON("200 {}", NOTHING_CLEAR, 200, JSON_TYPE, "{}"),
	ON("200 cut off", NOTHING_CLEAR, 200, JSON_TYPE, "{\"id\":"),
	ON("200 html", NOTHING_CLEAR, 200, "Content-Type: text/html\n",
	   "<html>"),
	ON("200 Running", NOTHING_CLEAR, 200, NULL, "{\"status\":\"Running\"}"),
	ON("200 Succeeded", SUCCESS_WORD, 200, NULL,
	   "{\"status\":\"Succeeded\"}"),
	ON("200 Failed", FAILURE_WORD, 200, NULL, "{\"status\":\"Failed\"}"),
	ON("200 Cancelled", FAILURE_WORD, 200, NULL,
	   "{\"status\":\"Cancelled\"}"),
	ON("200 last page", A_PAGE, 200, NULL, "{\"value\":[{}]}"),
	ON("200 page", A_PAGE, 200, NULL,
	   "{\"value\":[{}],\"nextLink\":\"" HOST "/next\"}"),
	ON("200 empty page", A_PAGE, 200, NULL,
	   "{\"value\":[],\"nextLink\":\"?next\"}"),
	ON("200 foreign page", A_PAGE, 200, NULL,
	   "{\"value\":[],\"nextLink\":\"" EVIL "\"}"),
	ON("202", NOTHING_CLEAR, 202, NULL, NULL),
	ON("202 location", NOTHING_CLEAR, 202,
	   "Location: " MONITOR "\nRetry-After: 15\n", NULL),
	ON("202 monitor", NOTHING_CLEAR, 202,
	   "Azure-AsyncOperation: " MONITOR "\n", NULL),
	ON("202 both", NOTHING_CLEAR, 202,
	   "Azure-AsyncOperation: " MONITOR "\nLocation: " MONITOR "\n", NULL),
	ON("202 relative location", NOTHING_CLEAR, 202, "Location: ../x\n",
	   NULL),
	ON("202 foreign location", NOTHING_CLEAR, 202, "Location: " EVIL "\n",
	   NULL),
	ON("202 without tls, monitor with user-info", NOTHING_CLEAR, 202,
	   "Location: http://management.azure.com/x\n"
	   "Azure-AsyncOperation: https://management.azure.com@evil.example/\n",
	   NULL),
	ON("204", NOTHING_LEFT, 204, NULL, NULL),
	ON("307 to elsewhere", NOTHING_CLEAR, 307, "Location: " EVIL "\n",
	   NULL),
	ON("400", NOTHING_CLEAR, 400, NULL, ERROR),
	ON("400 about the request", NOTHING_CLEAR, 400, NULL, ABOUT_REQUEST),
	ON("410", NOTHING_CLEAR, 410, NULL, NULL),
	ON("501", NOTHING_CLEAR, 501, NULL, NULL),
	ON("401", NOTHING_CLEAR, 401, NULL, NULL),
	ON("401 claims", NOTHING_CLEAR, 401, CHALLENGE, NULL),
	ON("403", NOTHING_CLEAR, 403, NULL, ERROR),
	ON("403 of a policy", NOTHING_CLEAR, 403, NULL, GUARDED("false")),
	ON("403 for a change", NOTHING_CLEAR, 403, NULL, GUARDED("true")),
	ON("200 token", NOTHING_CLEAR, 200, NULL, ISSUED("Succeeded", "PoP 1")),
	ON("200 other token", NOTHING_CLEAR, 200, NULL,
	   ISSUED("Succeeded", "PoP 2")),
	ON("200 no token", NOTHING_CLEAR, 200, NULL,
	   "{\"result\":\"Succeeded\"}"),
	ON("200 policy denies", NOTHING_CLEAR, 200, NULL, POLICY_DENIES),
	ON("200 evaluated later", NOTHING_CLEAR, 200, NULL, EVALUATED_LATER),
	ON("404", NOTHING_CLEAR, 404, NULL, ERROR),
	ON("404 html", NOTHING_CLEAR, 404, "Content-Type: text/html\n",
	   "<html>"),
	ON("404 about the request", NOTHING_CLEAR, 404, NULL, ABOUT_REQUEST),
	ON("408", NOTHING_CLEAR, 408, NULL, NULL),
	ON("409", NOTHING_CLEAR, 409, NULL, ERROR),
	ON("409 later", NOTHING_CLEAR, 409, "Retry-After: 5\n", ERROR),
	ON("412", NOTHING_CLEAR, 412, NULL, ERROR),
	ON("429 later", NOTHING_CLEAR, 429, "Retry-After: 5\n", NULL),
	ON("429 much later", NOTHING_CLEAR, 429, "Retry-After: 900\n", NULL),
	ON("503 later", NOTHING_CLEAR, 503, "Retry-After: 30\n", NULL),
	ON("504", NOTHING_CLEAR, 504, NULL, NULL),
	BREAKS("refused", NET_CONNECT, false),
	BREAKS("answer lost", NET_RECV, true),
	BREAKS("the request timed out", NET_TIMEOUT, true),
	BREAKS("not trusted", NET_CERT, false),
	BREAKS("too big", NET_TOO_BIG, true),
	ELSE("no token", NO_TOKEN),
	ELSE("canceled before", CANCEL_BEFORE),
	ELSE("canceled in flight", CANCEL_FLYING),
	ELSE("deadline before", DEADLINE_BEFORE),
	ELSE("deadline in flight", DEADLINE_FLYING),
};

static void make_replies(void) {
	for (size_t i = 0; i < COUNT(happenings); i++) {
		struct happening *h = &happenings[i];
		struct reply *r =
			h->event == BREAK
				? no_reply(h->error, h->sent)
				: reply_of(h->status, h->head, h->body);
		h->reply = malloc(sizeof *r);
		assert_non_null(h->reply);
		*h->reply = *r;
		*r = (struct reply){ .status = 0 }; /* it is ours now */
		h->facts = facts_of(buf_span(&h->reply->body), OP_UPDATE);
		h->policy_facts = policy_facts_of(buf_span(&h->reply->body));
	}
}

static void free_replies(void) {
	for (size_t i = 0; i < COUNT(happenings); i++) {
		reply_free(happenings[i].reply);
		free(happenings[i].reply);
	}
}

/* ---- the starts --------------------------------------------------------- */

struct start {
	const char *name;
	enum op_kind kind;
	const char *if_match;
	bool resumed;
	enum poll_source source;
	bool read_only, skip_read;
	enum policy_when policy;
};

static const struct start starts[] = {
	{ "update", OP_UPDATE, NULL, false, POLL_RESOURCE, false, false,
	  POLICY_AUTO },
	{ "update with a tag", OP_UPDATE, "\"1\"", false, POLL_RESOURCE, false,
	  false, POLICY_AUTO },
	{ "delete", OP_DELETE, NULL, false, POLL_RESOURCE, false, false,
	  POLICY_AUTO },
	{ "ensure", OP_ENSURE, NULL, false, POLL_RESOURCE, false, false,
	  POLICY_AUTO },
	{ "get", OP_GET, NULL, false, POLL_RESOURCE, false, false,
	  POLICY_AUTO },
	{ "list", OP_LIST, NULL, false, POLL_RESOURCE, false, false,
	  POLICY_AUTO },
	{ "update resumed at a location", OP_UPDATE, NULL, true, POLL_LOCATION,
	  false, false, POLICY_AUTO },
	{ "update resumed at a monitor", OP_UPDATE, NULL, true, POLL_ASYNC,
	  false, false, POLICY_AUTO },
	{ "update resumed at the resource", OP_UPDATE, NULL, true,
	  POLL_RESOURCE, false, false, POLICY_AUTO },
	{ "delete resumed at both", OP_DELETE, NULL, true, POLL_BOTH, false,
	  false, POLICY_AUTO },
	{ "ensure resumed", OP_ENSURE, NULL, true, POLL_RESOURCE, false, false,
	  POLICY_AUTO },
	{ "ensure resumed to read", OP_ENSURE, NULL, true, POLL_RESOURCE, true,
	  false, POLICY_AUTO },
	{ "ensure that was just read", OP_ENSURE, "\"1\"", false, POLL_RESOURCE,
	  false, true, POLICY_AUTO },
	{ "update with a policy token", OP_UPDATE, NULL, false, POLL_RESOURCE,
	  false, false, POLICY_ALWAYS },
	{ "delete with a policy token", OP_DELETE, NULL, false, POLL_RESOURCE,
	  false, false, POLICY_ALWAYS },
	{ "ensure with a policy token", OP_ENSURE, NULL, false, POLL_RESOURCE,
	  false, false, POLICY_ALWAYS },
};

/* ---- the world: all of it in one block, so that it can be set back ------ */

/* What happened so far, as an onlooker saw it. */
struct history {
	bool flying;    /* a request, */
	bool write;     /* which is the PATCH or DELETE, */
	bool acquiring; /* or on the way to a policy token, */
	bool own;       /* and at the connection's own URL */
	bool maybe;     /* a write may have been carried out, unseen */
	bool open;      /* ... and the resource was not looked at since */
	bool taken;     /* a write was accepted */
	bool over;      /* somebody has said that it is over */
	bool denied;    /* the operation's own URL answered with an error */
	char guard[16]; /* the last write's If-Match */
	int refused;    /* the status of the last write that was refused */
	const struct happening *last; /* what was answered last, and to what: */
	bool last_write, last_own, last_acquiring;
	char token[16];       /* the policy token issued last; "" none, */
	bool must_token;      /* and whether a write has to have it */
	bool not_tried_again; /* that answer forbids another write */
};

static struct {
	size_t used;
	int64_t t;
	uint32_t generation;
	const struct start *start;
	struct op op;
	struct history seen;
	_Alignas(16) char memory[256 * 1024];
} world;

static char scratch[64 * 1024]; /* of requests: forgotten when built anew */
static size_t scratch_used;

static struct {
	const struct happening *path[16];
	int length;
	double sequences;
	size_t played;
	uint64_t states[1 << 19];
	size_t distinct;
	bool reached[BOOKS][LEGS][MEANINGS];
	bool alone; /* not under cmocka */
} tour;

/* An allocator that only goes forward: a copy of the block is a copy of all. */
static void *bump(char *block, size_t size, size_t *used, void *ptr,
                  size_t osize, size_t nsize) {
	char *new = block + *used;
	if (nsize == 0)
		return NULL;
	if (nsize <= osize)
		return ptr;
	if (*used + nsize > size)
		FAIL("no room left to explore in");
	*used += (nsize + 15) & ~(size_t)15;
	if (ptr)
		memcpy(new, ptr, osize);
	return new;
}

static void *world_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
	(void)ud;
	return bump(world.memory, sizeof world.memory, &world.used, ptr, osize,
	            nsize);
}

static void *scratch_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
	(void)ud;
	return bump(scratch, sizeof scratch, &scratch_used, ptr, osize, nsize);
}

static const struct mem world_mem = { world_alloc, NULL };
static const struct mem scratch_mem = { scratch_alloc, NULL };

static size_t world_size(void) {
	return offsetof(__typeof__(world), memory) + world.used;
}

static void save(char *copy) {
	memcpy(copy, &world, world_size());
}

static void restore(const char *copy) {
	size_t used;
	memcpy(&used, copy, sizeof used);
	memcpy(&world, copy, offsetof(__typeof__(world), memory) + used);
}

static void begin(const struct start *s) {
	static struct url origin;
	static struct op_config cfg = { .mem = &world_mem,
		                        .origins = &origin,
		                        .origin_count = 1,
		                        .try_timeout = 100000 };
	struct op_spec spec = { .kind = s->kind,
		                .url = SPAN(CONNECTION),
		                .id = SPAN(ID),
		                .if_match = test_text(s->if_match),
		                .timeout = 300000,
		                .seed = 7,
		                .read_only = s->read_only,
		                .skip_read = s->skip_read,
		                .policy = s->policy };
	cfg.retry = RETRY_DEFAULT;
	url_parse(SPAN(HOST "/"), &origin);
	if (s->kind == OP_UPDATE || s->kind == OP_ENSURE)
		spec.status = SPAN("Approved");
	memset(&world, 0, offsetof(__typeof__(world), memory));
	world.start = s;
	world.t = 1000;
	op_init(&world.op, &cfg, &spec);
	if (s->resumed)
		op_resume(&world.op, &(struct op_begun){
					     .source = s->source,
					     .url = SPAN(MONITOR),
					     .changed = s->kind != OP_ENSURE });
	world.seen.taken = s->resumed && s->kind != OP_ENSURE;
	world.seen.maybe = s->resumed && s->kind == OP_ENSURE;
	world.seen.must_token = s->policy == POLICY_ALWAYS;
}

#define WRONG(...)                                                             \
	do {                                                                   \
		char what_[512];                                               \
		snprintf(what_, sizeof what_, __VA_ARGS__);                    \
		wrong(__LINE__, what_);                                        \
	} while (0)

static void wrong(int line, const char *what) {
	char text[2048];
	int n = snprintf(text, sizeof text, "%s", world.start->name);
	for (int i = 0; i < tour.length && n < (int)sizeof text - 80; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, ", %s",
		              tour.path[i]->name);
	if (tour.alone) {
		fprintf(stderr, "%s: %s\n", text, what);
		_exit(1);
	}
	test_fail(__FILE__, line, "%s: %s", text, what);
}

/* ---- what must always hold ---------------------------------------------- */

static bool writes(void) {
	enum op_kind kind = world.start->kind;
	return kind == OP_UPDATE || kind == OP_DELETE || kind == OP_ENSURE;
}

/* The token goes to the endpoint's own origin; read as text, since the parser
   is what is being tested. */
static bool is_write(const struct request *q) {
	return q->method == HTTP_PATCH || q->method == HTTP_DELETE;
}

/* No token, no write; no write, no token. */
static void check_policy(const struct request *q) {
	const struct history *s = &world.seen;
	struct span token = request_field(q, POLICY_HEADER);
	if (!is_write(q) && token.p)
		WRONG("the policy token is on another request");
	if (is_write(q) && !span_eq(token, test_text(s->token)))
		WRONG("it is not the policy token that was issued last");
	if (is_write(q) && s->must_token && token.n == 0)
		WRONG("a write without the policy token");
	if (q->method == HTTP_POST &&
	    (!writes() || world.start->read_only ||
	     !span_eq(buf_span(&q->url), SPAN(ACQUISITION))))
		WRONG("a policy token is acquired elsewhere, or for nothing");
}

static void check_request(const struct request *q) {
	static const struct span ours = { HOST "/", sizeof HOST };
	const struct history *s = &world.seen;
	bool write = is_write(q);
	check_policy(q);
	if (q->url.n < ours.n || memcmp(q->url.p, ours.p, ours.n) != 0)
		WRONG("the token goes to %.*s", (int)q->url.n, q->url.p);
	if (q->allow_http || q->timeout_ms < 1 || q->timeout_ms > 100000)
		WRONG("a request over plain HTTP or without a time");
	if (write &&
	    (!writes() || !span_eq(buf_span(&q->url), SPAN(CONNECTION))))
		WRONG("a write of something else");
	if (write && world.start->read_only)
		WRONG("a write by what may only read");
	if (write && s->open)
		WRONG("a write before a look at what became of the first");
	if (write && s->taken)
		WRONG("a write after one that was accepted");
	if (write && s->last && s->last_write && s->not_tried_again)
		WRONG("a write after one that was refused");
	if (write && world.start->kind == OP_ENSURE && s->last &&
	    !s->last_write && !s->last_acquiring && s->last->shows != NOT_SO &&
	    s->last->shows != STATE_FAILED && s->last->status == 200)
		WRONG("a write although it is so, or is being changed");
}

static bool same(const struct request *a, const struct request *b) {
	return a->method == b->method &&
	       span_eq(buf_span(&a->url), buf_span(&b->url)) &&
	       span_eq(buf_span(&a->head), buf_span(&b->head)) &&
	       span_eq(buf_span(&a->body), buf_span(&b->body));
}

/* Asked once more, it answers the same. */
static void ask_again(enum op_want want, int64_t until,
                      const struct request *a) {
	struct request b;
	int64_t again;
	request_init(&b, &scratch_mem);
	if (op_next(&world.op, now_at(world.t), &b, &again) != want ||
	    again != until || !same(a, &b))
		WRONG("asked twice, it answers differently");
}

static void note_guard(struct span tag) {
	struct history *s = &world.seen;
	snprintf(s->guard, sizeof s->guard, "%.*s", (int)tag.n,
	         tag.n ? tag.p : "");
}

static enum op_want ask(int64_t *until) {
	struct request a;
	enum op_want want;
	scratch_used = 0;
	request_init(&a, &scratch_mem);
	want = op_next(&world.op, now_at(world.t), &a, until);
	ask_again(want, *until, &a);
	if (want == OP_WAIT &&
	    (*until <= world.t || *until > world.op.deadline))
		WRONG("it waits for ever, or not at all");
	if (want == OP_SEND) {
		check_request(&a);
		world.seen.write = is_write(&a);
		world.seen.acquiring = op_acquires(&world.op);
		if (world.seen.write)
			note_guard(request_field(&a, "If-Match"));
		world.seen.own = span_eq(buf_span(&a.url), SPAN(CONNECTION));
	}
	return want;
}

/* The same, of a state that was looked at already. */
static enum op_want peek(int64_t *until) {
	return op_next(&world.op, now_at(world.t), NULL, until);
}

/* Did the answer name a polling URL that may be asked? */
static bool names_a_url(const struct happening *h) {
	return h->head && strstr(h->head, MONITOR);
}

static bool is_word_of_success(const struct happening *h) {
	return h->shows == SUCCESS_WORD || h->shows == NOTHING_LEFT;
}

/* Of a delete: 204, 404, a word of success, or the resource's absence. */
static bool may_be_deleted(const struct history *s) {
	const struct happening *h = s->last;
	if (h->status == 404 && strcmp(h->body, ERROR) != 0)
		return false;
	if (h->status == 404)
		return s->last_write ? s->maybe : s->last_own;
	if (s->last_own && !s->last_write)
		return false;
	return (s->taken || s->last_write) &&
	       (is_word_of_success(h) ||
	        (!s->last_write &&
	         strcmp(h->name, "200 approved, other") == 0));
}

/* May this be called a success? */
static bool may_be_done(void) {
	const struct history *s = &world.seen;
	const struct happening *h = s->last;
	if (!h || h->event != ANSWER)
		return false;
	if (!writes())
		return h->status == 200 && h->facts.json;
	if (s->last_write && names_a_url(h))
		return false; /* the operation was not asked about */
	if (world.start->kind == OP_DELETE)
		return may_be_deleted(s);
	return h->shows == SO;
}

/* Has the service itself said how a write ended, and not well? */
static bool may_be_operation(void) {
	const struct history *s = &world.seen;
	const struct happening *h = s->last;
	if (!h || !s->taken)
		return false;
	if (h->shows == STATE_FAILED)
		return true;
	if (h->shows == FAILURE_WORD)
		return s->last_write || !s->last_own;
	if (h->shows == SO) /* of a delete that was denied */
		return s->last_own && s->denied;
	return h->shows == NOT_SO && (s->over || s->denied);
}

/* May a write have reached the service, and its end is not known? */
static bool is_unknown(void) {
	const struct history *s = &world.seen;
	return writes() && ((s->flying && s->write) || s->taken || s->maybe);
}

static void check_end(enum op_want want) {
	const struct fail *f = &world.op.fail;
	bool unknown = is_unknown();
	if (want == OP_DONE) {
		if (!may_be_done())
			WRONG("called done without a proof");
		unknown = false;
	} else if (f->kind == FAIL_NONE || f->kind >= FAIL_KIND_COUNT ||
	           f->message.n == 0) {
		WRONG("a failure without a kind or a message");
	} else if (f->kind == FAIL_OPERATION) {
		if (!may_be_operation())
			WRONG("called failed, and nobody said so: %.*s",
			      (int)f->message.n, f->message.p);
		unknown = false;
	}
	if (op_unknown(&world.op) != unknown)
		WRONG("it is %ssaid that the end is unknown: %.*s",
		      unknown ? "not " : "", (int)f->message.n,
		      f->message.n ? f->message.p : "");
}

/* Whatever comes later changes nothing. */
static void check_stays(enum op_want want) {
	struct op *o = &world.op;
	enum fail_kind kind = o->fail.kind;
	bool unknown = op_unknown(o);
	int64_t until;
	struct answer late =
		answer_of(happenings[0].reply, happenings[0].facts, world.t);
	op_feed(o, &late);
	op_grant(o, 77, now_at(world.t));
	op_stop(o, FAIL_CANCELED, "late", now_at(world.t));
	world.t += 1000000;
	if (peek(&until) != want || o->fail.kind != kind ||
	    op_unknown(o) != unknown)
		WRONG("it ended, and ended once more");
}

static bool is_end(enum op_want want) {
	return want == OP_DONE || want == OP_FAIL;
}

/* After each happening.  True: it is over. */
static bool check_state(char *copy) {
	int64_t until;
	enum op_want want = ask(&until);
	bool ended = is_end(want);
	bool unknown = is_unknown();
	save(copy);
	if (!ended) {
		if (op_unknown(&world.op) != unknown)
			WRONG("on the way, unknown is %d", !unknown);
		world.t = world.op.deadline;
		want = peek(&until);
		if (!is_end(want))
			WRONG("its deadline does not end it");
	}
	check_end(want);
	check_stays(want);
	restore(copy);
	return ended;
}

/* ---- making things happen ----------------------------------------------- */

/* Ensure's own look, not a settling one, finds it in another state than was
   asked for, and with another ETag than the last write was guarded by: no write
   so far has done it, or will. */
static bool finds_it_otherwise(const struct happening *h) {
	const struct history *s = &world.seen;
	return world.start->kind == OP_ENSURE && !world.start->if_match &&
	       s->refused == 412 && !s->last_write && s->last_own &&
	       h->event == ANSWER && h->status == 200 && h->shows == NOT_SO &&
	       s->guard[0] && !strstr(h->head, s->guard);
}

static bool has_error(const struct happening *h) {
	return h->shows == AN_ERROR || h->shows == STATE_FAILED;
}

static void note_write(const struct happening *h) {
	struct history *s = &world.seen;
	bool answered = h->event == ANSWER;
	bool unheard = answered ? h->status == 408 ||
	                                  (h->status >= 500 && h->status != 501)
	                        : h->sent;
	if (unheard)
		s->maybe = s->open = true;
	if (answered && h->status >= 200 && h->status < 300)
		s->taken = true;
	else
		s->refused = h->status;
	if (answered && (h->status == 204 || h->status == 200))
		s->over = true;
	s->not_tried_again = answered && h->status != 401 && h->status != 408 &&
	                     h->status != 429 &&
	                     (h->status < 500 || h->status == 501) &&
	                     !(h->status == 409 && h->head);
}

/* A refusal asks for a token, or for another than the one it had. */
static void note_guard_of_policy(const struct happening *h) {
	struct history *s = &world.seen;
	if (h->event != ANSWER || h->status != 403 || !h->facts.policy)
		return;
	s->must_token = true;
	s->token[0] = '\0';
}

/* On the way to a policy token. */
static void note_acquisition(const struct happening *h) {
	struct history *s = &world.seen;
	struct span token = h->policy_facts.as.policy.token;
	if (h->event == ANSWER && h->status == 200 && token.n > 0)
		snprintf(s->token, sizeof s->token, "%.*s", (int)token.n,
		         token.p);
}

/* At the operation's own URL, or at the resource. */
static void note_read(const struct happening *h) {
	struct history *s = &world.seen;
	bool final = h->shows == SO || h->shows == NOT_SO ||
	             h->shows == STATE_FAILED;
	if (h->event != ANSWER)
		return;
	if (s->own && h->status == 200 && final)
		s->open = false;
	if (s->own && h->status == 200 && h->shows == ON_ITS_WAY)
		s->over = true; /* when that has passed */
	if (!s->own && h->status >= 200 && h->status < 300 &&
	    h->shows != ON_ITS_WAY)
		s->over = true;
	if (!s->own && (has_error(h) || h->status == 400 || h->status == 409 ||
	                h->status == 412))
		s->denied = true;
}

static void note_answer(const struct happening *h) {
	struct history *s = &world.seen;
	s->flying = false;
	s->last = h;
	s->last_write = s->write;
	s->last_own = s->own;
	s->last_acquiring = s->acquiring;
	if (finds_it_otherwise(h))
		s->maybe = false;
	if (s->write) {
		note_write(h);
		note_guard_of_policy(h);
		s->denied |= has_error(h);
	} else if (s->acquiring) {
		note_acquisition(h);
	} else {
		note_read(h);
	}
}

static bool leads(const struct rule *r, int leg, int to) {
	for (int i = 0; r && r->leads[i] >= 0; i++)
		if (r->leads[i] == to ||
		    (to == leg && r->leads[i] == TO_ITSELF))
			return true;
	return false;
}

static const char *place_name(int to) {
	return to == TO_DONE      ? "done"
	       : to == TO_FAILURE ? "failed"
	                          : op_leg_name((enum op_leg)to);
}

/* The rule that was applied leads only to the places that it names. */
static void note_rule(void) {
	struct op *o = &world.op;
	enum book book = o->spec.kind == OP_DELETE ? BOOK_DELETE : BOOK_WRITE;
	int leg = o->judged_leg, m = o->judged_meaning;
	int to = o->end == OP_DONE   ? TO_DONE
	         : o->end == OP_FAIL ? TO_FAILURE
	                             : (int)o->leg;
	const struct rule *r;
	if (m == MEANINGS)
		return;
	tour.reached[book][leg][m] = true;
	r = op_rule(book, (enum op_leg)leg, (enum meaning)m);
	if (r && !leads(r, leg, to))
		WRONG("its rule does not name %s", place_name(to));
}

static void answer(const struct happening *h) {
	uint32_t generation = world.generation;
	struct answer a = answer_of(
		h->reply, op_acquires(&world.op) ? h->policy_facts : h->facts,
		world.t);
	note_answer(h);
	world.op.judged_meaning = MEANINGS;
	op_feed(&world.op, &a);
	note_rule();
	if (h->status == 401 && !is_end(world.op.end) &&
	    (world.op.refused != generation ||
	     (world.op.claims.n > 0) != (h->head != NULL)))
		WRONG("it does not ask for another token");
}

static void no_token(void) {
	struct fail why;
	fail_init(&why, &world_mem);
	fail_set(&why, FAIL_CREDENTIAL, PHASE_TOKEN, "none");
	op_no_token(&world.op, &why, now_at(world.t));
}

/* The request is on its way. */
static void in_flight(const struct happening *h) {
	int64_t until;
	op_sent(&world.op, now_at(world.t));
	world.seen.flying = true;
	if (ask(&until) != OP_WAIT)
		WRONG("in flight, it does not wait");
	world.t += 100;
	if (h->event == CANCEL_FLYING)
		op_stop(&world.op, FAIL_CANCELED, "canceled", now_at(world.t));
	else if (h->event == DEADLINE_FLYING)
		world.t = world.op.deadline;
	else
		answer(h);
}

/* To the next request, which then has this happen to it. */
static void happen(const struct happening *h) {
	enum op_want want;
	int64_t until;
	while (!is_end(want = peek(&until))) {
		if (h->event == CANCEL_BEFORE) {
			op_stop(&world.op, FAIL_CANCELED, "canceled",
			        now_at(world.t));
			return;
		}
		if (h->event == DEADLINE_BEFORE) {
			world.t = world.op.deadline;
			return;
		}
		if (want == OP_SEND) {
			ask(&until);
			in_flight(h);
			return;
		}
		if (want == OP_WAIT) {
			world.t = until;
		} else if (h->event == NO_TOKEN) {
			no_token();
			return;
		} else {
			op_grant(&world.op, ++world.generation,
			         now_at(world.t));
		}
	}
}

/* ---- the tour ----------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v) {
	return (h ^ (v + 1)) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
}

/* What it is in, without times and texts. */
static uint64_t digest(void) {
	const struct op *o = &world.op;
	const int parts[] = { (int)(world.start - starts),
		              (int)o->leg,
		              (int)o->end,
		              (int)o->keep,
		              (int)o->poll.source,
		              o->poll.url.n > 0,
		              (int)(o->end == OP_FAIL ? o->fail.kind : 0),
		              (int)o->fail.phase,
		              o->fail.http_status,
		              o->tries,
		              o->bad_answers,
		              o->stale_reads,
		              o->writes,
		              o->repeat,
		              o->conflicts,
		              op_next_url(o).n > 0,
		              o->claims.n > 0,
		              o->refused != 0,
		              o->missing_since >= 0,
		              o->reauthorized,
		              (int)o->known,
		              (int)o->reported,
		              o->changed,
		              op_writes(o) && o->change.policy
		                      ? 1 + o->change.policy->evaluations * 8 +
		                                o->change.policy->renewed * 4 +
		                                o->change.policy->refused * 2 +
		                                (o->change.policy->token.n > 0)
		                      : 0,
		              op_writes(o) && o->change.transition &&
		                      o->change.transition->way_out,
		              o->untrusted };
	uint64_t h = UINT64_C(14695981039346656037);
	for (size_t i = 0; i < COUNT(parts); i++)
		h = mix(h, (uint64_t)parts[i]);
	return h ? h : 1;
}

static void count_state(void) {
	uint64_t h = digest();
	size_t at = h % COUNT(tour.states);
	while (tour.states[at] && tour.states[at] != h)
		at = (at + 1) % COUNT(tour.states);
	if (tour.states[at])
		return;
	tour.states[at] = h;
	if (++tour.distinct > COUNT(tour.states) / 2)
		FAIL("too many states to count");
}

/* All sequences from here on; what follows an end is that end. */
static void explore(int depth, char *copies) {
	char *before = copies, *after = copies + sizeof world;
	save(before);
	for (size_t i = 0; i < COUNT(happenings); i++) {
		bool ended;
		tour.path[tour.length++] = &happenings[i];
		happen(&happenings[i]);
		ended = check_state(after);
		count_state();
		tour.played++;
		if (!ended && depth > 1)
			explore(depth - 1, after);
		tour.length--;
		restore(before);
	}
}

static void explore_from(const struct start *s, int depth) {
	char *copies = malloc(sizeof world * (size_t)(depth + 2));
	double all = 1;
	assert_non_null(copies);
	for (int i = 0; i < depth; i++)
		all *= (double)COUNT(happenings);
	tour.sequences += all;
	begin(s);
	explore(depth, copies);
	free(copies);
}

/* ---- the rules, for people ---------------------------------------------- */

static const char *const books[BOOKS] = { "update and ensure", "delete" };

static const struct rule *rule_at(int book, int leg, int m) {
	return op_rule((enum book)book, (enum op_leg)leg, (enum meaning)m);
}

static bool has_leg(int book, int leg) {
	bool any = false;
	for (int m = 0; m < MEANINGS; m++)
		any |= rule_at(book, leg, m) != NULL;
	return any;
}

/* One table a book: a row a meaning, a column a leg. */
static void print_table(FILE *out, int book) {
	fprintf(out, "### Rules of %s\n\n| answer |", books[book]);
	for (int leg = 0; leg < LEGS; leg++)
		if (has_leg(book, leg))
			fprintf(out, " %s |", op_leg_name((enum op_leg)leg));
	fprintf(out, "\n|---|");
	for (int leg = 0; leg < LEGS; leg++)
		if (has_leg(book, leg))
			fprintf(out, "---|");
	for (int m = 0; m < MEANINGS; m++) {
		fprintf(out, "\n| %s |", op_meaning_name((enum meaning)m));
		for (int leg = 0; leg < LEGS; leg++) {
			const struct rule *r = rule_at(book, leg, m);
			if (has_leg(book, leg))
				fprintf(out, " %s |", r ? r->text : "-");
		}
	}
	fprintf(out, "\n\n");
}

/* The arrow from a leg to a place, with the meanings that lead there. */
static void print_arrow(FILE *out, int book, int leg, int to) {
	const char *before = " : ";
	for (int m = 0; m < MEANINGS; m++) {
		const struct rule *r = rule_at(book, leg, m);
		if (!leads(r, leg, to))
			continue;
		if (strcmp(before, " : ") == 0)
			fprintf(out, "  %s --> %s", place_name(leg),
			        place_name(to));
		fprintf(out, "%s%s", before, op_meaning_name((enum meaning)m));
		before = ", ";
	}
	if (strcmp(before, ", ") == 0)
		fprintf(out, "\n");
}

static void print_diagram(FILE *out, int book) {
	fprintf(out, "```mermaid\nstateDiagram-v2\n");
	if (book == BOOK_WRITE)
		fprintf(out, "  [*] --> READ : ensure\n"
		             "  [*] --> WRITE : ensure with skip_read\n");
	fprintf(out, "  [*] --> WRITE : %s\n",
	        book == BOOK_WRITE ? "update" : "delete");
	fprintf(out, "  [*] --> ACQUIRE : policy_token = always\n");
	for (int leg = 0; leg < LEGS; leg++)
		for (int to = 0; to <= TO_FAILURE; to++)
			print_arrow(out, book, leg, to);
	fprintf(out, "  POLL --> WATCH : no time for the next attempt\n");
	fprintf(out, "  done --> [*]\n  failed --> [*]\n```\n\n");
}

static void print_page(FILE *out, bool tables) {
	for (int book = 0; book < BOOKS; book++) {
		if (tables)
			print_table(out, book);
		print_diagram(out, book);
	}
}

/* ---- what was reached --------------------------------------------------- */

/* Each rule is reached, and each cell without one is not.  NULL: so it is. */
static const char *wrong_cell(bool reached[BOOKS][LEGS][MEANINGS]) {
	static char text[200];
	for (int book = 0; book < BOOKS; book++)
		for (int leg = 0; leg < LEGS; leg++)
			for (int m = 0; m < MEANINGS; m++) {
				bool rule = rule_at(book, leg, m) != NULL;
				if (reached[book][leg][m] == rule)
					continue;
				snprintf(text, sizeof text, "%s, %s, %s: %s",
				         books[book],
				         op_leg_name((enum op_leg)leg),
				         op_meaning_name((enum meaning)m),
				         rule ? "a rule that nothing reaches"
				              : "reached, without a rule");
				return text;
			}
	return NULL;
}

static void test_every_rule_is_reached_and_no_other_cell(void **state) {
	const char *wrong = wrong_cell(tour.reached);
	(void)state;
	if (wrong)
		FAIL("%s", wrong);
}

static char *read_whole(FILE *in) {
	char *text = calloc(1, 1 << 17);
	assert_non_null(in);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 17) - 1, in) > 0);
	fclose(in);
	return text;
}

static void test_the_readme_shows_these_rules(void **state) {
	char *page, *printed;
	FILE *out = tmpfile();
	(void)state;
	assert_non_null(out);
	print_page(out, true);
	rewind(out);
	printed = read_whole(out);
	page = read_whole(fopen("lua_module/core/README.md", "r"));
	if (!strstr(page, printed))
		FAIL("core/README.md differs from build/core/explore --page");
	free(printed);
	free(page);
}

/* ---- as a test, and by itself ------------------------------------------- */

enum { DEPTH_OF_THE_TEST = 3 };

static void test_every_sequence(void **state) {
	explore_from(&starts[*(const int *)*state], DEPTH_OF_THE_TEST);
}

static int setup(void **state) {
	(void)state;
	make_replies();
	return 0;
}

static int teardown(void **state) {
	(void)state;
	free_replies();
	return 0;
}

static int as_tests(void) {
	static int which[COUNT(starts)];
	struct CMUnitTest tests[COUNT(starts) + 2] = {
		[COUNT(starts)] = cmocka_unit_test(
			test_every_rule_is_reached_and_no_other_cell),
		[COUNT(starts) + 1] =
			cmocka_unit_test(test_the_readme_shows_these_rules),
	};
	for (size_t i = 0; i < COUNT(starts); i++) {
		which[i] = (int)i;
		tests[i] = (struct CMUnitTest){ starts[i].name,
			                        test_every_sequence, NULL, NULL,
			                        &which[i] };
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}

/* What one start comes to, told by the process that explored it. */
struct figures {
	size_t played, distinct;
	double sequences;
	bool reached[BOOKS][LEGS][MEANINGS];
};

static double seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static pid_t explore_apart(size_t i, int depth, struct figures *out) {
	pid_t child = fork();
	if (child != 0)
		return child;
	explore_from(&starts[i], depth);
	out[i] = (struct figures){
		tour.played, tour.distinct, tour.sequences, { { { false } } }
	};
	memcpy(out[i].reached, tour.reached, sizeof tour.reached);
	_exit(0);
}

static void tell(const char *name, const struct figures *f) {
	printf("%-31s %12.0f sequences, %9zu happenings, %5zu states\n", name,
	       f->sequences, f->played, f->distinct);
}

/* Each start in a process of its own: there are processors enough. */
static int by_itself(int depth) {
	struct figures all = { 0 };
	const char *wrong;
	struct figures *each =
		mmap(NULL, COUNT(starts) * sizeof *each, PROT_READ | PROT_WRITE,
	             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[COUNT(starts)];
	double since = seconds();
	int failed = each == MAP_FAILED, status;
	tour.alone = true;
	make_replies();
	for (size_t i = 0; i < COUNT(starts) && !failed; i++)
		children[i] = explore_apart(i, depth, each);
	for (size_t i = 0; i < COUNT(starts) && each != MAP_FAILED; i++) {
		failed |= waitpid(children[i], &status, 0) < 0 || status != 0;
		tell(starts[i].name, &each[i]);
		all.played += each[i].played;
		all.distinct += each[i].distinct;
		all.sequences += each[i].sequences;
		for (size_t n = 0; n < sizeof all.reached; n++)
			((bool *)all.reached)[n] |=
				((bool *)each[i].reached)[n];
	}
	tell("all", &all);
	wrong = wrong_cell(all.reached);
	if (wrong && depth > 2)
		printf("%s\n", wrong);
	failed |= wrong && depth > 2;
	for (int book = 0; book < BOOKS; book++)
		print_table(stdout, book);
	printf("every sequence of %d out of %zu happenings, in %.1f s: %s\n",
	       depth, COUNT(happenings), seconds() - since,
	       failed ? "not as it must be" : "all as it must be");
	free_replies();
	return failed;
}

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";
	int depth = (int)strtol(what, NULL, 10);
	if (strcmp(what, "--page") == 0 || strcmp(what, "--diagram") == 0)
		print_page(stdout, strcmp(what, "--page") == 0);
	else
		return depth > 0 && depth < 10 ? by_itself(depth) : as_tests();
	return 0;
}
