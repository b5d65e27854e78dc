/* arm.c -- names and ids of Azure Resource Manager. */
#include "support.h"

#include "core/arm.h"

/* ---- names -------------------------------------------------------------- */

struct name {
	const char *text;
	bool fine;
};

static void check_all(const char *(*check)(struct span),
                      const struct name *rows, size_t count) {
	for (size_t i = 0; i < count; i++) {
		const char *why = check(test_text(rows[i].text));
		if (!why != rows[i].fine)
			FAIL("\"%s\": %s", rows[i].text, why ? why : "taken");
		assert_true(!why || *why);
	}
	assert_non_null(check(NO_SPAN));
	assert_non_null(check((struct span){ "a\0b", 3 }));
}

/* Lengths from..to of that letter are fine, and no others. */
static void check_lengths(const char *(*check)(struct span), const char *letter,
                          size_t from, size_t to) {
	char text[1200] = "";
	for (size_t n = 1; n <= to + 3; n++) {
		strcat(text, letter);
		if (!check(test_text(text)) != (n >= from && n <= to))
			FAIL("%zu times \"%s\"", n, letter);
	}
}

#define A3 "abc"
#define A24 "abcdefghijklmnopqrstuvwx"

static void test_account_names(void **state) {
	static const struct name rows[] = {
		{ A3, true },           { A24, true },
		{ "sampleacct", true }, { "ABC", true },
		{ "a1B2c3", true },     { "123", true },
		{ "", false },          { "ab", false },
		{ A24 "y", false },     { "a-b", false },
		{ "a_b", false },       { "a.b", false },
		{ "a b", false },       { "a/b", false },
		{ "abc\n", false },     { "ab\xc3\xa4", false },
	};
	(void)state;
	check_all(arm_check_account, rows, COUNT(rows));
	check_lengths(arm_check_account, "x", 3, 24);
}

static void test_connection_names(void **state) {
	static const struct name rows[] = {
		{ "testprivateEndpointConnection", true },
		{ "testprivateEndpoint5testprivateEndpoint5.24d6b4b5-e65c-4330"
		  "-bbe9-3a290d62f8e0",
		  true },
		{ "a", true },
		{ "_", true },
		{ "-", true },
		{ "A_b-9", true },
		{ "azAZ09", true },
		{ "ends-with-the-dot.", true },
		{ "a.-", true },
		{ "a.DEADbeef", true },
		{ "a.0-9", true },
		{ "a.b.c", true }, /* the service's to judge */
		{ "web.eu.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0", true },
		{ "a..", true },
		{ "a.g", true },
		{ "a._", true },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ ".abc", false },
		{ "..a", false },
		{ "a b", false },
		{ "a/b", false },
		{ "a?b", false },
		{ "a%20", false },
		{ "a\\b", false },
		{ "a\n", false },
		{ "\xe3\x81\x82", false },
	};
	(void)state;
	check_all(arm_check_connection, rows, COUNT(rows));
	check_lengths(arm_check_connection, "x", 1, 101);
	check_lengths(arm_check_connection, "f", 1, 101);
}

static void test_group_names(void **state) {
	static const struct name rows[] = {
		{ "default-azurebatch-japaneast", true },
		{ "a", true },
		{ "(a.b)_c-9", true },
		{ "a.b", true },
		{ ".a", true },
		{ "-", true },
		{ "()", true },
		{ "\xe6\x9c\xac\xe7\x95\xaa\xe7\x92\xb0\xe5\xa2\x83", true },
		{ "gr\xc3\xbcn", true },
		{ "\xf0\xa0\x80\x80", true }, /* U+20000, a letter */
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ "a.", false },
		{ "\xe6\x9c\xac.", false },
		{ "a b", false },
		{ "a/b", false },
		{ "a\\b", false },
		{ "a?b", false },
		{ "a#b", false },
		{ "a%b", false },
		{ "a&b", false },
		{ "a<b", false },
		{ "a:b", false },
		{ "a;b", false },
		{ "a'b", false },
		{ "a\tb", false },
		{ "a\x7f", false },
	};
	(void)state;
	check_all(arm_check_group, rows, COUNT(rows));
	check_lengths(arm_check_group, "x", 1, 90);
	check_lengths(arm_check_group, "\xc3\xbc", 1, 90);
	check_lengths(arm_check_group, "\xe6\x9c\xac", 1, 90);
	check_lengths(arm_check_group, "\xf0\xa0\x80\x80", 1, 90);
}

static void test_group_names_that_are_no_utf8(void **state) {
	static const char *const rows[] = {
		"\x80",             /* a tail without its head */
		"a\xc3",            /* cut off */
		"\xe6\x9c",         /* cut off */
		"\xe6\x9c(",        /* not a tail */
		"\xc0\xaf",         /* '/' in two bytes */
		"\xe0\x80\xaf",     /* '/' in three */
		"\xf0\x80\x80\xaf", /* '/' in four */
		"\xed\xa0\x80",     /* half of a surrogate pair */
		"\xf4\x90\x80\x80", /* beyond U+10FFFF */
		"\xf8\x88\x80\x80\x80",
		"\xff",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!arm_check_group(test_text(rows[i])))
			FAIL("row %zu is taken", i);
}

static void test_subscriptions(void **state) {
	static const struct name rows[] = {
		{ "12345678-1234-1234-1234-123456789abc", true },
		{ "ABCDEF00-0000-0000-0000-000000000000", true },
		{ "subid", true },
		{ "12345678-1234-1234-1234-1234-123456789012", true },
		{ "", false },
		{ "a/b", false },
		{ "a b", false },
		{ "{subscriptionId}", false },
		{ "/a", false },
		{ "a%", false },
		{ "..", false },
		{ "a\n", false },
	};
	(void)state;
	check_all(arm_check_subscription, rows, COUNT(rows));
	check_lengths(arm_check_subscription, "x", 1, 64);
}

static void test_guids(void **state) {
	static const struct name rows[] = {
		{ "12345678-1234-1234-1234-123456789abc", true },
		{ "ABCDEF00-0000-0000-0000-00000000FFFF", true },
		{ "12345678-1234-1234-1234-123456789ab", false },
		{ "12345678-1234-1234-1234-123456789abcd", false },
		{ "12345678-1234-1234-1234_123456789abc", false },
		{ "123456781-234-1234-1234-123456789abc", false },
		{ "g2345678-1234-1234-1234-123456789abc", false },
		{ "{2345678-1234-1234-1234-123456789ab}", false },
		{ "------------------------------------", false },
		{ "", false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (arm_is_guid(test_text(rows[i].text)) != rows[i].fine)
			FAIL("\"%s\"", rows[i].text);
}

static void test_api_versions(void **state) {
	static const struct name rows[] = {
		{ "2022-06-01", true },
		{ "2026-08-01", true },
		{ "2022-06-01-preview", true },
		{ "2022-06-01-alpha", true },
		{ "2022-06-01-beta", true },
		{ "2022-06-01-rc", true },
		{ "2022-06-01-az", true },
		{ "2022-06-01-privatepreview", true },
		{ "", false },
		{ "latest", false },
		{ "2022-6-1", false },
		{ "2022-06-0", false },
		{ "2022-06-01-", false },
		{ "2022-06-011", false },
		{ "2022-06-01preview", false },
		{ "2022/06/01", false },
		{ "2022-06-01&x=y", false },
		{ "2022-06-01-a&b", false },
		{ "2022-06-01 ", false },
		{ "22022-06-01", false },
		{ "x022-06-01", false },
	};
	(void)state;
	check_all(arm_check_api_version, rows, COUNT(rows));
}

/* ---- ids ---------------------------------------------------------------- */

#define ACCOUNT                                                                \
	"/subscriptions/subid/resourceGroups/default-azurebatch-japaneast"     \
	"/providers/Microsoft.Batch/batchAccounts/sampleacct"
#define CONNECTION ACCOUNT "/privateEndpointConnections/pe5.24d6b4b5-e65c"

static void test_an_id_is_taken_apart(void **state) {
	struct arm_id id;
	(void)state;
	assert_null(arm_parse_id(SPAN(CONNECTION), &id));
	assert_span(id.subscription, "subid");
	assert_span(id.group, "default-azurebatch-japaneast");
	assert_span(id.account, "sampleacct");
	assert_span(id.connection, "pe5.24d6b4b5-e65c");
	assert_null(arm_parse_account_id(SPAN(ACCOUNT), &id));
	assert_span(id.subscription, "subid");
	assert_span(id.group, "default-azurebatch-japaneast");
	assert_span(id.account, "sampleacct");
	assert_null(id.connection.p);
}

static void test_an_id_in_any_letter_case_keeps_its_parts(void **state) {
	struct arm_id id;
	(void)state;
	assert_null(arm_parse_id(
		SPAN("/SUBSCRIPTIONS/SubId/RESOURCEGROUPS/Group/PROVIDERS/"
	             "MICROSOFT.BATCH/BATCHACCOUNTS/SampleAcct/"
	             "PRIVATEENDPOINTCONNECTIONS/Pe5.ABC"),
		&id));
	assert_span(id.subscription, "SubId");
	assert_span(id.group, "Group");
	assert_span(id.account, "SampleAcct");
	assert_span(id.connection, "Pe5.ABC");
	assert_null(
		arm_parse_id(SPAN("/subscriptions/s/resourcegroups/g/providers/"
	                          "microsoft.batch/batchaccounts/acct/"
	                          "privateendpointconnections/c"),
	                     &id));
	assert_null(arm_parse_account_id(
		SPAN("/subscriptions/s/resourcegroups/g/providers/"
	             "microsoft.batch/batchaccounts/acct"),
		&id));
}

static void test_an_id_with_something_wrong_is_refused(void **state) {
	static const char *const rows[] = {
		"",
		"/",
		"pe5",
		CONNECTION "/",
		CONNECTION "/more",
		CONNECTION "?api-version=2022-06-01",
		"https://management.azure.com" CONNECTION,
		"/subscriptions",
		"/subscriptions/",
		"/subscriptions/s/resourceGroups/g",
		ACCOUNT "/privateEndpointConnections",
		ACCOUNT "/privateEndpointConnections/",
		ACCOUNT "/privateEndpointConnections//c",
		ACCOUNT "//privateEndpointConnections/c",
		ACCOUNT "/privateEndpointConnections/..a",
		ACCOUNT "/privateLinkResources/x",
		ACCOUNT "/privateEndpointConnection/c",
		ACCOUNT "x/privateEndpointConnections",
		"/" CONNECTION,
		" " CONNECTION,
		CONNECTION "\n",
		/* empty or odd parts */
		"/subscriptions//resourceGroups/g/providers/Microsoft.Batch/"
		"batchAccounts/acct/privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups//providers/Microsoft.Batch/"
		"batchAccounts/acct/privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups/g/providers//batchAccounts/"
		"acct/privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/"
		"batchAccounts//privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/"
		"batchAccounts/ab/privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups/g./providers/Microsoft.Batch/"
		"batchAccounts/acct/privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups/../providers/Microsoft.Batch/"
		"batchAccounts/acct/privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch2/"
		"batchAccounts/acct/privateEndpointConnections/c",
		"/subscriptions/s/resourceGroups/g/x/Microsoft.Batch/"
		"batchAccounts/acct/privateEndpointConnections/c",
		"/subscription/s/resourceGroups/g/providers/Microsoft.Batch/"
		"batchAccounts/acct/privateEndpointConnections/c",
		"/subscriptions/s/providers/Microsoft.Batch/batchAccounts/"
		"acct/privateEndpointConnections/c",
		"/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/"
		"acct/privateEndpointConnections/c",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arm_id id;
		const char *why = arm_parse_id(test_text(rows[i]), &id);
		if (!why || !*why)
			FAIL("row %zu, \"%s\", is taken", i, rows[i]);
	}
}

static void test_an_id_cut_off_anywhere_is_refused(void **state) {
	(void)state;
	/* without its last part it is another thing, never a connection */
	for (size_t n = 0; n <= strlen(ACCOUNT "/privateEndpointConnections/");
	     n++) {
		struct arm_id id;
		char *head = malloc(n); /* nothing is read behind it */
		assert_true(head || n == 0);
		memcpy(head, CONNECTION, n);
		if (!arm_parse_id((struct span){ head, n }, &id))
			FAIL("the first %zu bytes are taken", n);
		free(head);
	}
}

static void test_an_id_of_another_type_is_named(void **state) {
	static const struct {
		const char *id, *named;
	} rows[] = {
		{ "/subscriptions/s/resourceGroups/g/providers/"
		  "Microsoft.Network/privateEndpoints/pe5",
		  "private endpoint;" },
		{ "/SUBSCRIPTIONS/s/resourcegroups/g/providers/"
		  "microsoft.network/PRIVATEENDPOINTS/pe5",
		  "private endpoint;" },
		{ ACCOUNT, "Batch account" },
		{ ACCOUNT "/", "Batch account" },
		{ ACCOUNT "/privateLinkResources/batchAccount",
		  "Batch account" },
		{ ACCOUNT "/pools/p", "Batch account" },
		{ "/subscriptions/s/resourceGroups/g/providers/"
		  "Microsoft.Storage/storageAccounts/abc",
		  "/providers/Microsoft.Batch/batchAccounts/" },
		{ "/subscriptions/s/resourceGroups/g",
		  "/providers/Microsoft.Batch/batchAccounts/" },
		{ "nonsense", "/providers/Microsoft.Batch/batchAccounts/" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arm_id id;
		const char *why = arm_parse_id(test_text(rows[i].id), &id);
		assert_non_null(why);
		assert_has(test_text(why), rows[i].named);
		assert_has(test_text(why), i < 2 ? "connection" : "expected");
	}
}

static void test_an_account_id_is_an_account_alone(void **state) {
	static const char *const rows[] = {
		"",
		CONNECTION,
		ACCOUNT "/",
		ACCOUNT "/privateEndpointConnections",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/"
		"batchAccounts/",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/"
		"batchAccounts",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/"
		"batchAccounts/a_b",
		"/subscriptions/s/resourceGroups/g/providers/"
		"Microsoft.Network/privateEndpoints/pe5",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arm_id id;
		if (!arm_parse_account_id(test_text(rows[i]), &id))
			FAIL("row %zu, \"%s\", is taken", i, rows[i]);
	}
}

#define PARTS(s, g, a)                                                         \
	.subscription = LITERAL(s), .group = LITERAL(g), .account = LITERAL(a)

static void test_an_id_is_written_as_far_as_its_parts_go(void **state) {
	static const struct {
		struct arm_id id;
		const char *text;
	} rows[] = {
		{ { PARTS("subid", "default-azurebatch-japaneast",
		          "sampleacct"),
		    .connection = LITERAL("pe5.24d6b4b5-e65c") },
		  CONNECTION },
		{ { PARTS("subid", "default-azurebatch-japaneast",
		          "sampleacct"),
		    .link = LITERAL("batchAccount") },
		  ACCOUNT "/privateLinkResources/batchAccount" },
		{ { PARTS("subid", "default-azurebatch-japaneast",
		          "sampleacct") },
		  ACCOUNT },
		{ { .subscription = LITERAL("s"), .group = LITERAL("g") },
		  "/subscriptions/s/resourceGroups/g" },
		{ { .subscription = LITERAL("s") }, "/subscriptions/s" },
	};
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_clear(&out);
		arm_write_id(&out, &rows[i].id);
		assert_span(buf_span(&out), rows[i].text);
		buf_clear(&out);
		arm_write_path(&out, &rows[i].id);
		assert_span(buf_span(&out), rows[i].text);
	}
	buf_free(&out);
}

static void test_a_path_is_percent_encoded_and_an_id_is_not(void **state) {
	static const struct arm_id id = { PARTS("s", "\xe6\x9c\xac(1)", "Acct"),
		                          .connection = LITERAL("c.") };
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	arm_write_path(&out, &id);
	assert_span(buf_span(&out),
	            "/subscriptions/s/resourceGroups/%E6%9C%AC%281%29/"
	            "providers/Microsoft.Batch/batchAccounts/Acct/"
	            "privateEndpointConnections/c.");
	buf_clear(&out);
	arm_write_id(&out, &id);
	assert_span(buf_span(&out),
	            "/subscriptions/s/resourceGroups/\xe6\x9c\xac(1)/"
	            "providers/Microsoft.Batch/batchAccounts/Acct/"
	            "privateEndpointConnections/c.");
	buf_free(&out);
}

static void
test_the_requested_state_has_the_members_that_are_there(void **state) {
	static const struct {
		struct span version, status, description, action;
		const char *members;
	} rows[] = {
		{ LITERAL("2022-06-01"),
		  LITERAL("Approved"),
		  { 0 },
		  { 0 },
		  "\"status\":\"Approved\"" },
		{ LITERAL("2022-06-01"), LITERAL("Rejected"), LITERAL(""),
		  LITERAL("None"),
		  "\"status\":\"Rejected\",\"description\":\"\","
		  "\"actionRequired\":\"None\"" },
		{ LITERAL("2022-10-01"), LITERAL("Approved"),
		  LITERAL("say \"a/b\"\n\xe6\x9c\xac"), LITERAL("None"),
		  "\"status\":\"Approved\",\"description\":"
		  "\"say \\\"a/b\\\"\\u000a\xe6\x9c\xac\","
		  "\"actionsRequired\":\"None\"" },
		{ LITERAL("2021"),
		  { 0 },
		  { 0 },
		  LITERAL("None"),
		  "\"actionRequired\":\"None\"" },
		{ LITERAL("2024-07-01-preview"),
		  { 0 },
		  LITERAL("d"),
		  LITERAL("a"),
		  "\"description\":\"d\",\"actionsRequired\":\"a\"" },
	};
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char expected[300];
		snprintf(expected, sizeof expected,
		         "{\"properties\":"
		         "{\"privateLinkServiceConnectionState\":{%s}}}",
		         rows[i].members);
		buf_clear(&out);
		arm_write_state(&out, rows[i].version, rows[i].status,
		                rows[i].description, rows[i].action);
		assert_span(buf_span(&out), expected);
	}
	buf_free(&out);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_account_names),
		TEST(test_connection_names),
		TEST(test_group_names),
		TEST(test_group_names_that_are_no_utf8),
		TEST(test_subscriptions),
		TEST(test_guids),
		TEST(test_api_versions),
		TEST(test_an_id_is_taken_apart),
		TEST(test_an_id_in_any_letter_case_keeps_its_parts),
		TEST(test_an_id_with_something_wrong_is_refused),
		TEST(test_an_id_cut_off_anywhere_is_refused),
		TEST(test_an_id_of_another_type_is_named),
		TEST(test_an_account_id_is_an_account_alone),
		TEST(test_an_id_is_written_as_far_as_its_parts_go),
		TEST(test_a_path_is_percent_encoded_and_an_id_is_not),
		TEST(test_the_requested_state_has_the_members_that_are_there),
	};
	return RUN(tests);
}
