/* op_meaning.c -- what an answer means, by the leg that it came on. */
#include "script.h"

#include "core/op_rules.h"

#define OTHER                                                                  \
	"{\"id\":\"" ACCOUNT "/privateEndpointConnections/other\","            \
	"\"properties\":{" STATE("Approved") "}}"
#define OTHER_IN(provisioning)                                                 \
	"{\"id\":\"100\",\"name\":\"foo\",\"properties\":{"                    \
	"\"provisioningState\":\"" provisioning "\"}}"
#define VAULT                                                                  \
	"{\"id\":\"/subscriptions/subid/resourceGroups/rg/providers/"          \
	"Microsoft.KeyVault/vaults/v\",\"properties\":{\"sku\":1}}"
#define SHOUTED                                                                \
	"{\"id\":\"/SUBSCRIPTIONS/SUBID/resourcegroups/RG/providers/"          \
	"microsoft.batch/BATCHACCOUNTS/sampleacct/"                            \
	"privateendpointconnections/PE.24D6\",\"properties\":{"                \
	"\"provisioningState\":\"succeeded\"," STATE("Approved") "}}"
#define WITHOUT_STATUS RESOURCE_WITH("\"provisioningState\":\"Succeeded\"")
#define WITH_ERROR "{\"id\":\"" ID "\",\"error\":{\"code\":\"C\"}}"

/* Where an answer may come from. */
enum {
	WRITE = 1,
	LOCATION_ = 2,
	ASYNC_ = 4,
	BOTH_ = 8,
	WATCH = 16,
	CONFIRM = 32,
	SETTLE = 64,
	URL = LOCATION_ | ASYNC_ | BOTH_,
	LOOK = WATCH | CONFIRM | SETTLE
};

static const struct place {
	int bit;
	enum op_leg leg;
	enum poll_source source;
} places[] = {
	{ WRITE, LEG_WRITE, POLL_RESOURCE },
	{ LOCATION_, LEG_POLL, POLL_LOCATION },
	{ ASYNC_, LEG_POLL, POLL_ASYNC },
	{ BOTH_, LEG_POLL, POLL_BOTH },
	{ WATCH, LEG_WATCH, POLL_RESOURCE },
	{ CONFIRM, LEG_CONFIRM, POLL_RESOURCE },
	{ SETTLE, LEG_SETTLE, POLL_RESOURCE },
};

struct row {
	const char *name;
	int status;
	const char *body;
	int where;
	enum meaning meaning;
};

static void judge(const struct row *row, const struct place *place,
                  enum op_kind kind) {
	const struct asked asked = { .kind = kind,
		                     .status = kind == OP_DELETE ? NULL
		                                                 : "Approved" };
	struct op_spec spec = spec_of(&asked);
	struct op_config cfg = { .mem = test_mem(), .retry = RETRY_DEFAULT };
	struct reply *r = reply_of(row->status, NULL, row->body);
	struct answer a = answer_of(r, facts_of(buf_span(&r->body), false), 0);
	enum meaning is;
	struct op o;
	assert_true(op_init(&o, &cfg, &spec));
	o.leg = place->leg;
	o.poll.source = place->source;
	is = meaning_of(&o, &a);
	op_free(&o);
	if (is != row->meaning)
		FAIL("%s, on %s by source %d: %s and not %s", row->name,
		     op_leg_name(place->leg), (int)place->source,
		     op_meaning_name(is), op_meaning_name(row->meaning));
}

static void judge_all(const struct row *rows, size_t n, enum op_kind kind) {
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < COUNT(places); j++)
			if (rows[i].where & places[j].bit)
				judge(&rows[i], &places[j], kind);
}

static void test_a_status_monitor(void **state) {
	static const struct row rows[] = {
		{ "Succeeded", 200, MONITOR("Succeeded"), URL | WRITE, OVER },
		{ "completed", 200, MONITOR("completed"), URL, OVER },
		{ "InProgress", 200, MONITOR("InProgress"), URL, RUNNING },
		{ "an unknown word", 200, MONITOR("Resting"), URL, RUNNING },
		{ "Failed", 200, MONITOR("Failed"), URL | WRITE, FAILED },
		{ "failed", 200, MONITOR("failed"), URL, FAILED },
		{ "Canceled", 200, MONITOR("Canceled"), URL, FAILED },
		{ "CANCELLED", 200, MONITOR("CANCELLED"), URL, FAILED },
		{ "202, InProgress", 202, MONITOR("InProgress"), URL, RUNNING },
		{ "202, Succeeded", 202, MONITOR("Succeeded"), URL, OVER },
		{ "202, Failed", 202, MONITOR("Failed"), URL, FAILED },
		{ "201, Succeeded", 201, MONITOR("Succeeded"), URL, OVER },
		{ "InProgress, properties Succeeded", 200,
		  "{\"status\":\"InProgress\",\"properties\":{"
		  "\"provisioningState\":\"Succeeded\"}}",
		  URL, RUNNING },
		{ "Succeeded, properties Updating", 200,
		  "{\"status\":\"Succeeded\",\"properties\":{"
		  "\"provisioningState\":\"Updating\"}}",
		  URL, OVER },
		{ "a word where the resource should be", 200,
		  MONITOR("Succeeded"), LOOK, ODD },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_our_resource(void **state) {
	static const struct row rows[] = {
		{ "as asked", 200, APPROVED, URL | LOOK | WRITE, AS_ASKED },
		{ "201, as asked", 201, APPROVED, URL | WRITE, AS_ASKED },
		{ "in other letters", 200, SHOUTED, URL | LOOK | WRITE,
		  AS_ASKED },
		{ "no provisioningState", 200, RESOURCE_WITH(STATE("Approved")),
		  URL | LOOK | WRITE, AS_ASKED },
		{ "otherwise", 200, PENDING, LOCATION_ | BOTH_ | LOOK | WRITE,
		  OTHERWISE },
		{ "otherwise, at a monitor", 200, PENDING, ASYNC_, RUNNING },
		{ "at work", 200, UPDATING, URL | LOOK | WRITE, RUNNING },
		{ "in a state nobody knows", 200,
		  RESOURCE("Thinking", "Approved"), URL | LOOK | WRITE,
		  RUNNING },
		{ "failed", 200, RESOURCE("Failed", "Approved"),
		  URL | LOOK | WRITE, FAILED },
		{ "cancelled", 200, RESOURCE("cancelled", "Approved"),
		  URL | LOOK | WRITE, FAILED },
		{ "an error and no state", 200, WITH_ERROR,
		  LOCATION_ | LOOK | WRITE, DENIED },
		{ "202, whatever it says", 202, APPROVED, URL | LOOK | WRITE,
		  RUNNING },
		{ "no status", 200, WITHOUT_STATUS, LOCATION_ | BOTH_ | WRITE,
		  OVER },
		{ "no status", 200, WITHOUT_STATUS, CONFIRM, ODD },
		{ "no status, and nothing said", 200, WITHOUT_STATUS,
		  WATCH | SETTLE, OTHERWISE },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_something_else(void **state) {
	static const struct row rows[] = {
		{ "another connection", 200, OTHER, URL | WRITE, OVER },
		{ "another connection", 200, OTHER, LOOK, ODD },
		{ "another that succeeded", 200, OTHER_IN("Succeeded"),
		  URL | WRITE, OVER },
		{ "another at work", 200, OTHER_IN("Updating"), URL | WRITE,
		  RUNNING },
		{ "another that failed", 200, OTHER_IN("Failed"), URL | WRITE,
		  DENIED },
		{ "a key vault", 200, VAULT, LOCATION_, OVER },
		{ "a key vault", 200, VAULT, ASYNC_ | BOTH_ | LOOK | WRITE,
		  ODD },
		{ "{}", 200, "{}", LOCATION_, OVER },
		{ "{}", 200, "{}", ASYNC_ | BOTH_ | LOOK | WRITE, ODD },
		{ "HTML", 200, "<html>", URL | LOOK | WRITE, ODD },
		{ "a status that is no string", 200, "{\"status\":5}",
		  ASYNC_ | BOTH_ | LOOK | WRITE, ODD },
		{ "an error", 200, ERROR("Conflict", "no"), URL | WRITE,
		  DENIED },
		{ "an error where the resource should be", 200,
		  ERROR("InvalidSubscriptionState", "no"), LOOK, REFUSED },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_nothing(void **state) {
	static const struct row rows[] = {
		{ "202", 202, NULL, URL | LOOK | WRITE, RUNNING },
		{ "202, HTML", 202, "<p>", URL | WRITE, RUNNING },
		{ "204", 204, NULL, URL | WRITE, OVER },
		{ "200", 200, NULL, URL | WRITE, OVER },
		{ "a 2xx nobody promised", 206, NULL, WRITE, RUNNING },
		{ "200 where the resource should be", 200, NULL, LOOK, ODD },
		{ "204 where the resource should be", 204, NULL, LOOK, ODD },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_errors(void **state) {
	static const struct row rows[] = {
		{ "500", 500, NULL, WRITE | URL, UNHEARD },
		{ "501", 501, NULL, WRITE | URL, REFUSED },
		{ "505", 505, NULL, WRITE | URL, REFUSED },
		{ "404", 404, NULL, URL | LOOK | WRITE, MISSING },
		{ "410", 410, NULL, URL, REFUSED },
		{ "405", 405, NULL, URL | WRITE, REFUSED },
		{ "404 of a type", 404, ERROR("InvalidResourceType", "x"), URL,
		  REFUSED },
		{ "400 of an api-version", 400,
		  ERROR("MissingApiVersionParameter", "x"), URL, REFUSED },
		{ "409 of a registration", 409,
		  ERROR("SubscriptionNotRegistered", "x"), URL, REFUSED },
		{ "409", 409, ERROR("InvalidState", "x"), LOCATION_ | BOTH_,
		  DENIED },
		{ "409", 409, ERROR("InvalidState", "x"), ASYNC_, UNHEARD },
		{ "409 of a proxy", 409, "<html>", URL, UNHEARD },
		{ "403", 403, ERROR("AuthorizationFailed", "x"), URL, UNHEARD },
		{ "307", 307, NULL, URL, UNHEARD },
		{ "409", 409, ERROR("InvalidState", "x"), LOOK | WRITE,
		  REFUSED },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_a_delete(void **state) {
	static const struct row rows[] = {
		{ "still there", 200, APPROVED, URL | WATCH | SETTLE | WRITE,
		  OTHERWISE },
		{ "on its way", 200, RESOURCE("Deleting", "Approved"),
		  URL | WATCH | SETTLE | WRITE, RUNNING },
		{ "another that succeeded", 200, OTHER_IN("Succeeded"), URL,
		  OVER },
		{ "gone", 404, NOT_FOUND, URL | WATCH | SETTLE | WRITE,
		  MISSING },
		{ "a page", 404, "<html>", WATCH | SETTLE, ODD },
		{ "a page", 404, "<html>", WRITE, REFUSED },
		{ "a page", 404, "<html>", URL, MISSING },
		{ "{}", 404, "{}", WATCH | SETTLE, ODD },
		{ "no subscription", 404, ERROR("SubscriptionNotFound", "x"),
		  URL | WATCH | SETTLE | WRITE, REFUSED },
		{ "no group", 404, ERROR("ResourceGroupNotFound", "x"),
		  URL | WATCH | SETTLE | WRITE, MISSING },
		{ "204", 204, NULL, URL | WRITE, OVER },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_DELETE);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_status_monitor), TEST(test_our_resource),
		TEST(test_something_else),   TEST(test_nothing),
		TEST(test_errors),           TEST(test_a_delete),
	};
	return RUN(tests);
}
