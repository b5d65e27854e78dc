/* cloud.c -- the first step of a sign-in that was not told its cloud: what
   is asked, what of the answers is believed, what becomes of the links. */
#include "script.h"

#define ENDPOINT "https://management.contoso.example"
#define HERE "http://127.0.0.1:8080"
#define METADATA "/metadata/endpoints?api-version=2022-09-01"
#define SIGN_IN "/tenant/oauth2/v2.0/token"
#define LOGIN "https://login.contoso.example"
#define AUDIENCE "https://management.contoso.example/x"

static const struct chain_spec secret = {
	.flow = &flow_client_secret,
	.value = { [SV_TENANT] = LITERAL("tenant"),
	           [SV_CLIENT] = LITERAL("app"),
	           [SV_SECRET] = LITERAL("hunter2") },
};

/* The first step: who is asked, and what is known already (NULL: nothing). */
static void play_at_endpoint(const struct step *s) {
	close_chain();
	open_scenario(test_text(s->more), test_text(s->body));
	assert_true(chain_find(&t.s, &flow_discovery, test_text(s->text)));
}
#define AT_ENDPOINT(url, authority, scope_)                                    \
	STEP(play_at_endpoint, .text = url, .more = authority, .body = scope_)
#define UNKNOWN_CLOUD AT_ENDPOINT(ENDPOINT, NULL, NULL)
#define BEGINS ASKS, GETS(ENDPOINT METADATA)

static struct facts facts_cloud(const char *login, const char *provider,
                                const char *audience) {
	struct facts f = facts_object();
	f.document = DOCUMENT_CLOUD;
	f.as.cloud.login_endpoint = test_text(login);
	f.as.cloud.identity_provider = test_text(provider);
	f.as.cloud.audience = test_text(audience);
	return f;
}
static void play_cloud(const struct step *s) {
	feed(reply_of(200, NULL, "{}"), facts_cloud(s->text, s->more, s->body));
}
#define CLOUD(login, provider, audience)                                       \
	STEP(play_cloud, .text = login, .more = provider, .body = audience)
#define CONTOSO CLOUD(LOGIN "/", "AAD", AUDIENCE)

static void play_took(const struct step *s) {
	equal(t.s.links[0].took, s->ms, "the link's time");
}

static const struct scenario clouds[] = {
	/* nothing before a token is wanted; the link's time is its own part;
	   found once, known from then on */
	{ "the_metadata_name_authority_and_scope",
	  { &secret },
	  { UNKNOWN_CLOUD, RESTS, BEGINS, NO_FIELD("Authorization"),
	    ROUTE(false, false, 30 * SECOND), BODY(NULL), AT(SECOND), CONTOSO,
	    POSTS(LOGIN SIGN_IN),
	    BODY_HAS("scope=https%3A%2F%2Fmanagement.contoso.example%2Fx"
	             "%2F.default"),
	    AT(2 * SECOND), GRANTS("token", 60), TOKEN("token"),
	    STEP(play_took, .ms = SECOND), AT(HOUR), ASKS,
	    POSTS(LOGIN SIGN_IN) } },
	{ "an_authority_that_was_given_is_kept",
	  { &secret },
	  { AT_ENDPOINT(ENDPOINT, "https://login.given.example", NULL), BEGINS,
	    CONTOSO, POSTS("https://login.given.example" SIGN_IN),
	    BODY_HAS("contoso") } },
	{ "a_scope_that_was_given_is_kept",
	  { &secret },
	  { AT_ENDPOINT(ENDPOINT, NULL, "https://given/.default"), BEGINS,
	    CONTOSO, POSTS(LOGIN SIGN_IN),
	    BODY_HAS("scope=https%3A%2F%2Fgiven%2F.default") } },
	{ "a_transient_error_is_tried_again",
	  { &secret },
	  { UNKNOWN_CLOUD, BEGINS, ANSWERS(503, NULL, "", no_facts),
	    BACKS_OFF(1), GETS(ENDPOINT METADATA),
	    ANSWERS(503, NULL, "", no_facts), BACKS_OFF(2),
	    GETS(ENDPOINT METADATA), ANSWERS(503, NULL, "", no_facts), RESTS,
	    STATUS(503), RETRYABLE(1) } },
	/* the emulator's way: all of it on this machine */
	{ "plain_http_from_loopback_to_loopback",
	  { &secret },
	  { AT_ENDPOINT(HERE, NULL, NULL), ASKS, GETS(HERE METADATA),
	    ROUTE(true, true, 30 * SECOND), CLOUD(HERE, "AAD", AUDIENCE),
	    POSTS(HERE SIGN_IN) } },
	{ "no_plain_http_from_loopback_elsewhere",
	  { &secret },
	  { AT_ENDPOINT(HERE, NULL, NULL), ASKS, GETS(HERE METADATA),
	    CLOUD("http://elsewhere.example", "AAD", AUDIENCE),
	    FAILS(FAIL_UNTRUSTED, "") } },
};

/* Who asks later begins with the metadata anew. */
#define NOT_BELIEVED(name, cloud, as, says)                                    \
	{                                                                      \
		name, { &secret }, {                                           \
			UNKNOWN_CLOUD, BEGINS, cloud, FAILS(as, says),         \
				HINT("authority_host"),                        \
				LINK(0, LINK_UNTRIED, NULL), AT(SECOND),       \
				BEGINS                                         \
		}                                                              \
	}
#define X "https://login.x.example"

static const struct scenario not_believed[] = {
	NOT_BELIEVED("no_login", CLOUD(NULL, "AAD", "a"), FAIL_PROTOCOL,
	             "no loginEndpoint"),
	NOT_BELIEVED("an_empty_login", CLOUD("", "AAD", "a"), FAIL_PROTOCOL,
	             "no loginEndpoint"),
	NOT_BELIEVED("slashes", CLOUD("///", "AAD", "a"), FAIL_PROTOCOL,
	             "no loginEndpoint"),
	NOT_BELIEVED("no_audience", CLOUD(X, "AAD", NULL), FAIL_PROTOCOL,
	             "no audience"),
	NOT_BELIEVED("an_unprintable_audience", CLOUD(X, "AAD", "a\x01"),
	             FAIL_PROTOCOL, "no audience"),
	NOT_BELIEVED("ADFS", CLOUD("https://adfs.x.example/adfs", "ADFS", "a"),
	             FAIL_PROTOCOL, "Active Directory Federation Services"),
	NOT_BELIEVED("adfs", CLOUD("https://adfs.x.example", "adfs", "a"),
	             FAIL_PROTOCOL, "Active Directory Federation Services"),
	NOT_BELIEVED("plain_http", CLOUD("http://login.x.example", "AAD", "a"),
	             FAIL_UNTRUSTED,
	             "not https://host[:port]: http://login.x.example"),
	NOT_BELIEVED("plain_http_to_loopback", CLOUD(HERE, "AAD", "a"),
	             FAIL_UNTRUSTED, "not https"),
	NOT_BELIEVED("a_path", CLOUD(X "/path", NULL, "a"), FAIL_UNTRUSTED,
	             "/path"),
	NOT_BELIEVED("a_password", CLOUD("https://u:p@x.example", NULL, "a"),
	             FAIL_UNTRUSTED, "not https"),
	NOT_BELIEVED("no_scheme", CLOUD("login.x.example", NULL, "a"),
	             FAIL_UNTRUSTED, "not https"),
};

#define NO_METADATA(name, answer, as, says)                                    \
	{                                                                      \
		name, { &secret }, {                                           \
			UNKNOWN_CLOUD, BEGINS, answer, FAILS(as, says), BEGINS \
		}                                                              \
	}

static const struct scenario no_metadata[] = {
	NO_METADATA("404", ANSWERS(404, NULL, "{}", facts_object),
	            FAIL_NOT_FOUND, "HTTP 404"),
	NO_METADATA("a_page",
	            ANSWERS(200, "Content-Type: text/html", "<html>", no_facts),
	            FAIL_PROTOCOL, "not JSON but text/html"),
	NO_METADATA(
		"a_redirect",
		ANSWERS(302, "Location: https://evil.example/", "", no_facts),
		FAIL_SERVICE, "HTTP 302"),
	NO_METADATA("another_certificate", BREAKS(NET_CERT), FAIL_UNTRUSTED,
	            ""),
};

/* Each allocation in turn: the next sign-in reads the metadata again. */
static void test_metadata_that_find_no_memory_are_read_again(void **state) {
	const struct facts contoso = facts_cloud(LOGIN "/", "AAD", AUDIENCE);
	(void)state;
	for (size_t n = 1; n <= 8; n++) {
		memset(&t, 0, sizeof t);
		open_at(&secret, 1, NO_SPAN, NO_SPAN);
		assert_true(chain_find(&t.s, &flow_discovery, SPAN(ENDPOINT)));
		chain_token(&t.s, 0, NO_SPAN, now_at(0));
		assert_int_equal(next(), CHAIN_SEND);
		chain_sent(&t.s, now_at(0));
		test_mem_fail_from(n);
		test_memory.fail_once = true;
		feed(reply_of(200, NULL, "{}"), contoso);
		test_mem_fail_from(0);
		if (chain_failure(&t.s)) {
			assert_int_equal(chain_failure(&t.s)->kind, FAIL_LIMIT);
			chain_token(&t.s, 0, NO_SPAN, now_at(0));
			assert_int_equal(next(), CHAIN_SEND);
			assert_span(buf_span(&t.q.url), ENDPOINT METADATA);
			chain_sent(&t.s, now_at(0));
			feed(reply_of(200, NULL, "{}"), contoso);
		}
		assert_int_equal(next(), CHAIN_SEND);
		assert_span(buf_span(&t.q.url), LOGIN SIGN_IN);
		assert_has(buf_span(&t.q.body), "contoso.example%2Fx");
		close_chain();
	}
}

int main(void) {
	const struct CMUnitTest functions[] = {
		TEST(test_metadata_that_find_no_memory_are_read_again),
	};
	return RUN_TABLES(functions, COUNT(functions), SCRIPTS(clouds),
	                  SCRIPTS(not_believed), SCRIPTS(no_metadata));
}
