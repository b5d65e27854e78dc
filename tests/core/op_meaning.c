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
                  enum op_kind kind, const char *head) {
	const struct asked asked = { .kind = kind,
		                     .status = kind == OP_DELETE ? NULL
		                                                 : "Approved" };
	struct op_spec spec = spec_of(&asked);
	struct op_config cfg = { .mem = test_mem(), .retry = RETRY_DEFAULT };
	struct reply *r = reply_of(row->status, head, row->body);
	struct answer a =
		answer_of(r, facts_of(buf_span(&r->body), OP_UPDATE), 0);
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

static void judge_with(const struct row *rows, size_t n, enum op_kind kind,
                       const char *head) {
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < COUNT(places); j++)
			if (rows[i].where & places[j].bit)
				judge(&rows[i], &places[j], kind, head);
}

static void judge_all(const struct row *rows, size_t n, enum op_kind kind) {
	judge_with(rows, n, kind, NULL);
}

static void test_meaning_of_a_status_monitor(void **state) {
	static const struct row rows[] = {
		{ "Succeeded", 200, MONITOR("Succeeded"), URL | WRITE,
		  SUCCEEDED },
		{ "completed", 200, MONITOR("completed"), URL, SUCCEEDED },
		{ "InProgress", 200, MONITOR("InProgress"), URL, RUNNING },
		{ "an unknown value", 200, MONITOR("Resting"), URL, RUNNING },
		{ "Failed", 200, MONITOR("Failed"), URL | WRITE, FAILED },
		{ "failed", 200, MONITOR("failed"), URL, FAILED },
		{ "Canceled", 200, MONITOR("Canceled"), URL, FAILED },
		{ "CANCELLED", 200, MONITOR("CANCELLED"), URL, FAILED },
		{ "202, InProgress", 202, MONITOR("InProgress"), URL, RUNNING },
		{ "202, Succeeded", 202, MONITOR("Succeeded"), URL, SUCCEEDED },
		{ "202, Failed", 202, MONITOR("Failed"), URL, FAILED },
		{ "201, Succeeded", 201, MONITOR("Succeeded"), URL, SUCCEEDED },
		{ "InProgress, properties Succeeded", 200,
		  "{\"status\":\"InProgress\",\"properties\":{"
		  "\"provisioningState\":\"Succeeded\"}}",
		  URL, RUNNING },
		{ "Succeeded, properties Updating", 200,
		  "{\"status\":\"Succeeded\",\"properties\":{"
		  "\"provisioningState\":\"Updating\"}}",
		  URL, SUCCEEDED },
		{ "a string in place of the resource", 200,
		  MONITOR("Succeeded"), LOOK, UNEXPECTED },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_meaning_of_our_resource(void **state) {
	static const struct row rows[] = {
		{ "as asked", 200, APPROVED, URL | LOOK | WRITE, AS_REQUESTED },
		{ "201, as asked", 201, APPROVED, URL | WRITE, AS_REQUESTED },
		{ "in other letters", 200, SHOUTED, URL | LOOK | WRITE,
		  AS_REQUESTED },
		{ "no provisioningState", 200, RESOURCE_WITH(STATE("Approved")),
		  URL | LOOK | WRITE, AS_REQUESTED },
		{ "otherwise", 200, PENDING, LOCATION_ | BOTH_ | LOOK | WRITE,
		  DIFFERENT },
		{ "otherwise, at a monitor", 200, PENDING, ASYNC_, RUNNING },
		{ "at work", 200, UPDATING, URL | LOOK | WRITE, RUNNING },
		{ "in an unknown state", 200, RESOURCE("Thinking", "Approved"),
		  URL | LOOK | WRITE, RUNNING },
		{ "failed", 200, RESOURCE("Failed", "Approved"),
		  URL | LOOK | WRITE, FAILED },
		{ "cancelled", 200, RESOURCE("cancelled", "Approved"),
		  URL | LOOK | WRITE, FAILED },
		{ "an error and no state", 200, WITH_ERROR,
		  LOCATION_ | LOOK | WRITE, ERROR_RESULT },
		{ "202, whatever it says", 202, APPROVED, URL | LOOK | WRITE,
		  RUNNING },
		{ "no status", 200, WITHOUT_STATUS, LOCATION_ | BOTH_ | WRITE,
		  SUCCEEDED },
		{ "no status", 200, WITHOUT_STATUS, CONFIRM, UNEXPECTED },
		{ "beside a status that is no string", 200,
		  "{\"status\":5,\"id\":\"" ID
		  "\",\"properties\":{" STATE("Approved") "}}",
		  URL, UNEXPECTED },
		{ "nothing of it", 200, RESOURCE_WITH(""), ASYNC_ | BOTH_,
		  UNEXPECTED },
		{ "nothing of it", 200, RESOURCE_WITH(""), LOCATION_,
		  SUCCEEDED },
		{ "no status and no body", 200, WITHOUT_STATUS, WATCH | SETTLE,
		  DIFFERENT },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_meaning_of_other_bodies(void **state) {
	static const struct row rows[] = {
		{ "another connection", 200, OTHER, URL | WRITE, SUCCEEDED },
		{ "another connection", 200, OTHER, LOOK, UNEXPECTED },
		{ "another that succeeded", 200, OTHER_IN("Succeeded"),
		  URL | WRITE, SUCCEEDED },
		{ "another at work", 200, OTHER_IN("Updating"), URL | WRITE,
		  RUNNING },
		{ "another that failed", 200, OTHER_IN("Failed"), URL | WRITE,
		  ERROR_RESULT },
		{ "a key vault", 200, VAULT, LOCATION_, SUCCEEDED },
		{ "a key vault", 200, VAULT, ASYNC_ | BOTH_ | LOOK | WRITE,
		  UNEXPECTED },
		{ "{}", 200, "{}", LOCATION_, SUCCEEDED },
		{ "{}", 200, "{}", ASYNC_ | BOTH_ | LOOK | WRITE, UNEXPECTED },
		{ "HTML", 200, "<html>", URL | LOOK | WRITE, UNEXPECTED },
		{ "a status that is no string", 200, "{\"status\":5}",
		  ASYNC_ | BOTH_ | LOOK | WRITE, UNEXPECTED },
		{ "a state beside a status that is no string", 200,
		  "{\"status\":5,\"properties\":{\"provisioningState\":"
		  "\"Succeeded\"}}",
		  ASYNC_ | BOTH_ | WRITE, UNEXPECTED },
		{ "another connection beside one", 200,
		  "{\"status\":5,\"id\":\"100\",\"properties\":{" STATE(
			  "Approved") "}}",
		  ASYNC_ | BOTH_ | WRITE, UNEXPECTED },
		{ "an error", 200, ERROR("Conflict", "no"), URL | WRITE,
		  ERROR_RESULT },
		{ "an error where the resource should be", 200,
		  ERROR("InvalidSubscriptionState", "no"), LOOK, REFUSED },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_meaning_of_an_empty_body(void **state) {
	static const struct row rows[] = {
		{ "202", 202, NULL, URL | LOOK | WRITE, RUNNING },
		{ "202, HTML", 202, "<p>", URL | WRITE, RUNNING },
		{ "204", 204, NULL, URL | WRITE, SUCCEEDED },
		{ "200", 200, NULL, URL | WRITE, SUCCEEDED },
		{ "an undocumented 2xx", 206, NULL, WRITE, RUNNING },
		{ "200 where the resource should be", 200, NULL, LOOK,
		  UNEXPECTED },
		{ "204 where the resource should be", 204, NULL, LOOK,
		  UNEXPECTED },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_errors(void **state) {
	static const struct row rows[] = {
		{ "500", 500, NULL, WRITE | URL, NO_RESPONSE },
		{ "501", 501, NULL, WRITE | URL, REFUSED },
		{ "505", 505, NULL, WRITE | URL, REFUSED },
		{ "404", 404, NULL, URL | LOOK | WRITE, NOT_FOUND },
		{ "410", 410, NULL, URL, REFUSED },
		{ "405", 405, NULL, URL | WRITE, REFUSED },
		{ "404 of a type", 404, ERROR("InvalidResourceType", "x"), URL,
		  REFUSED },
		{ "400 of an api-version", 400,
		  ERROR("MissingApiVersionParameter", "x"), URL, REFUSED },
		{ "409 of a registration", 409,
		  ERROR("SubscriptionNotRegistered", "x"), URL, REFUSED },
		{ "409", 409, ERROR("InvalidState", "x"), LOCATION_ | BOTH_,
		  ERROR_RESULT },
		{ "409", 409, ERROR("InvalidState", "x"), ASYNC_, NO_RESPONSE },
		{ "409 of a proxy", 409, "<html>", URL, NO_RESPONSE },
		{ "403", 403, ERROR("AuthorizationFailed", "x"), URL,
		  NO_RESPONSE },
		{ "307", 307, NULL, URL, NO_RESPONSE },
		{ "a 1xx", 199, NULL, URL, NO_RESPONSE },
		{ "a 1xx", 199, NULL, LOOK | WRITE, REFUSED },
		{ "300", 300, NULL, LOOK | WRITE, REFUSED },
		{ "299", 299, NULL, WRITE, RUNNING },
		{ "409", 409, ERROR("InvalidState", "x"), LOOK | WRITE,
		  REFUSED },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_UPDATE);
}

static void test_a_delete(void **state) {
	static const struct row rows[] = {
		{ "still there", 200, APPROVED, URL | WATCH | SETTLE | WRITE,
		  DIFFERENT },
		{ "still there, without its status", 200,
		  "{\"id\":\"" ID "\",\"properties\":{"
		  "\"provisioningState\":\"Succeeded\"}}",
		  URL | WATCH | SETTLE | WRITE, DIFFERENT },
		{ "on its way", 200, RESOURCE("Deleting", "Approved"),
		  URL | WATCH | SETTLE | WRITE, RUNNING },
		{ "another that succeeded", 200, OTHER_IN("Succeeded"), URL,
		  SUCCEEDED },
		{ "gone", 404, NOT_FOUND_ERROR, URL | WATCH | SETTLE | WRITE,
		  NOT_FOUND },
		{ "a page", 404, "<html>", WATCH | SETTLE, UNEXPECTED },
		{ "a page", 404, "<html>", WRITE, REFUSED },
		{ "a page", 404, "<html>", URL, NOT_FOUND },
		{ "{}", 404, "{}", WATCH | SETTLE, UNEXPECTED },
		{ "no subscription", 404, ERROR("SubscriptionNotFound", "x"),
		  URL | WATCH | SETTLE | WRITE, REFUSED },
		{ "a code of one letter", 404, ERROR("X", "x"),
		  URL | WATCH | SETTLE | WRITE, NOT_FOUND },
		{ "no group", 404, ERROR("ResourceGroupNotFound", "x"),
		  URL | WATCH | SETTLE | WRITE, NOT_FOUND },
		{ "204", 204, NULL, URL | WRITE, SUCCEEDED },
	};
	(void)state;
	judge_all(rows, COUNT(rows), OP_DELETE);
}

/* A 404 that names no code is Azure Resource Manager's only by its header. */
static void test_an_absence_by_its_header(void **state) {
	static const struct row rows[] = {
		{ "bare", 404, NULL, WATCH | SETTLE | WRITE, NOT_FOUND },
		{ "{}", 404, "{}", WATCH | SETTLE | WRITE, NOT_FOUND },
		{ "a page", 404, "<html>", WATCH | SETTLE, UNEXPECTED },
		{ "a page", 404, "<html>", WRITE, REFUSED },
		{ "of a type", 404, ERROR("InvalidResourceType", "x"),
		  WATCH | SETTLE | WRITE, REFUSED },
	};
	static const struct row bare[] = {
		{ "bare", 404, NULL, WATCH | SETTLE, UNEXPECTED },
		{ "bare", 404, NULL, WRITE, REFUSED },
	};
	(void)state;
	judge_with(rows, COUNT(rows), OP_DELETE, "x-ms-request-id: a");
	judge_with(bare, COUNT(bare), OP_DELETE, "Server: x");
}

static void test_legs_and_meanings_have_names(void **state) {
	(void)state;
	assert_string_equal(op_leg_name(LEG_READ), "READ");
	assert_string_equal(op_leg_name(LEG_SETTLE), "SETTLE");
	assert_string_equal(op_meaning_name(NO_RESPONSE), "no response");
	assert_string_equal(op_meaning_name(UNEXPECTED), "unexpected");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_meaning_of_a_status_monitor),
		TEST(test_meaning_of_our_resource),
		TEST(test_meaning_of_other_bodies),
		TEST(test_meaning_of_an_empty_body),
		TEST(test_errors),
		TEST(test_a_delete),
		TEST(test_an_absence_by_its_header),
		TEST(test_legs_and_meanings_have_names),
	};
	return RUN(tests);
}
