/*
 * chain.c -- the token's life, and the chain of credentials that provide it.
 *
 * One token serves all operations of a client.  chain_token starts a fetch if
 * there is no token, if it is due for renewal, or if a 401 refused it.  A fetch
 * that is running serves every caller.
 *
 *   fetch starts                 fetch ends
 *       |                            ^
 *       v                            |  token: chain_take
 *   first flow (cloud's addresses,   |  failure: give_up
 *       |  cached token)             |
 *       |  chain_found               |
 *       v                            |
 *   link 1 --absent--> link 2 --absent--> ... last link
 *       |                  |
 *       +-- failed: az and azd let the default chain continue; any other
 *       credential that is set up and fails ends its chain
 *
 * This is the rule of Microsoft's DefaultAzureCredential: a source that is not
 * set up is skipped, and a source that is set up and fails is the error.  The
 * link that gave a token is asked first from then on, alone.
 *
 * Renewal.  A token is renewed five minutes before it expires, at half of its
 * life if that is short, or when the authority says so (refresh_in).  It stays
 * in use until then.  A failed renewal is tried again after PAUSE.  A 401 ends
 * the token's life at once, and the claims challenge of the 401 goes into the
 * next fetch.
 *
 * Retries.  A request of a flow is tried three times by the retry policy; the
 * metadata service of virtual machines has its own rule (managed.c).  A source
 * that is only probed and does not answer counts as absent for ABSENT_FOR.  The
 * chain has no deadline.  Operations that wait for its token have one; the
 * fetch continues after they end.
 *
 * Flows.  A link is a flow (flow.h) with the values of its credential.  A flow
 * is a state machine: ask() writes a request or names a need; fed(), provided()
 * and printed() take what came.  The state of the running flow is struct
 * scratch.  clear_scratch empties it before each link and after the fetch, so
 * nothing that one link read, signed or received reaches another.
 *
 *   chain_next --> ask --> CHAIN_SEND --> chain_sent --> chain_feed --> fed
 *                    |
 *                    +---> CHAIN_NEED --> chain_sent --> chain_provided,
 *                                          chain_feed_output, chain_fail_need
 *
 * Invariants.
 *
 *   - At most one request or need is open at a time (in_flight).
 *   - The generation counts tokens.  A 401 counts only if it names the present
 *     generation: a late 401 does not end the life of a newer token.
 *   - chain_next returns nothing from a buffer that failed.  A request or need
 *     that lacks memory ends the fetch (chain_exhausted).  No other link is
 *     tried, because another credential does not help.
 *   - Foreign text enters a failure only through chain_add and chain_note.
 *     Both remove everything that the link sent or could send.
 *
 * Sources.  The order and the rule of the chain: "DefaultAzureCredential
 * overview" and "Credential chains" of the Azure Identity libraries.  Expiry
 * and errors: RFC 6749 5.1 and 5.2; refresh_in: Microsoft Entra ID's token
 * response.  Claims challenges: "Claims challenges, claims requests, and client
 * capabilities" of the Microsoft identity platform.  401 and WWW-Authenticate:
 * RFC 6750 section 3.
 */
#include "core/token/chain.h"

#include "core/arm.h"
#include "core/base64.h"
#include "core/random.h"

/* Azure Identity renews five minutes early and waits 30 seconds after a failed
   renewal; so does azpec.  A source that did not answer is not probed again at
   once, because that takes a second on a machine without a metadata service. */
enum {
	MAX_TEXT = 256 * 1024,
	MAX_TOKEN = 64 * 1024,
	EARLY = 300000,      /* ms before its end that a token is renewed */
	PAUSE = 30000,       /* ms between tries to renew a living token */
	ABSENT_FOR = 300000, /* ms that a source counts as absent */
};

/* ---- init and free ------------------------------------------------------ */

/* Copies the values of the credential into one buffer, which is wiped when it
   is freed. */
static bool link_init(struct link *l, const struct mem *mem,
                      const struct chain_spec *spec) {
	size_t n = 0;
	*l = (struct link){ .spec = *spec, .took = -1 };
	buf_init(&l->text, mem, MAX_TEXT);
	buf_init(&l->refresh_token, mem, MAX_TEXT);
	buf_init(&l->why, mem, MAX_TEXT);
	buf_init(&l->advice, mem, MAX_TEXT);
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

/* All buffers except those of the links; those of the scratch come first. */
enum { SCRATCH_BUFFERS = 4, ALL_BUFFERS = 10 };

static void list_buffers(struct chain *s, struct buf *all[ALL_BUFFERS]) {
	struct buf *list[ALL_BUFFERS] = {
		&s->scratch.work,   &s->scratch.assertion,
		&s->scratch.device, &s->scratch.subscription,
		&s->authority,      &s->scope,
		&s->claims,         &s->token,
		&s->endpoint,       &s->subscription
	};
	for (int i = 0; i < ALL_BUFFERS; i++)
		all[i] = list[i];
}

static void init_buffers(struct chain *s, const struct mem *mem) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (int i = 0; i < ALL_BUFFERS; i++) {
		buf_init(all[i], mem, MAX_TEXT);
		all[i]->secret = true;
	}
	buf_init(&s->token, mem, MAX_TOKEN);
	s->token.secret = true;
	fail_init(&s->fail, mem);
}

/* The token endpoint is retried less often than Azure Resource Manager: a chain
   may have to try several sources within one deadline. */
bool chain_init(struct chain *s, const struct mem *mem,
                const struct chain_spec *specs, size_t count,
                struct span authority, struct span scope, uint32_t seed) {
	*s = (struct chain){ .mem = mem,
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

/* The discovery of the cloud runs before the first link. */
bool chain_find(struct chain *s, const struct flow *how, struct span endpoint) {
	s->first = how;
	buf_set(&s->endpoint, endpoint);
	return !s->endpoint.failed;
}

/* The cache is read only if a token of this chain may be in it. */
void chain_share(struct chain *s, const struct flow *how) {
	for (size_t i = 0; i < s->count; i++)
		if (s->links[i].spec.shared)
			s->cache = how;
}

bool chain_name_subscription(struct chain *s, struct span subscription) {
	s->names_subscription = subscription.n > 0;
	buf_set(&s->subscription, subscription);
	return !s->subscription.failed;
}

/* Anything but a GUID is no subscription, and a named one takes precedence. */
void chain_find_subscription(struct chain *s, struct span subscription) {
	if (s->subscription.n == 0 && arm_is_guid(subscription))
		buf_set(&s->subscription, subscription);
}

void chain_free(struct chain *s) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (size_t i = 0; i < s->count; i++) {
		buf_free(&s->links[i].text);
		buf_free(&s->links[i].refresh_token);
		buf_free(&s->links[i].why);
		buf_free(&s->links[i].advice);
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
	"not enough memory for the sign-in, or one of its values is too long";

const struct link *chain_link(const struct chain *s) {
	return &s->links[s->at];
}

/* AZURE_TENANT_ID is the usual tenant; the credential's own comes first. */
struct span chain_tenant(const struct chain *s) {
	const struct span *v = chain_link(s)->spec.value;
	return v[SV_TENANT].n > 0 ? v[SV_TENANT] : v[SV_USUAL_TENANT];
}

/* The running flow: the one before the links, or that of the present link. */
static const struct flow *flow_of(const struct chain *s) {
	return s->first ? s->first : s->links[s->at].spec.flow;
}

/* A step is one request or need of a flow.  Each has its own tries. */
void chain_step(struct chain *s, int step, int64_t not_before) {
	s->scratch.step = step;
	s->scratch.tries = 0;
	s->not_before = not_before;
}

/* The only function that empties the scratch; its content is overwritten. */
static void clear_scratch(struct chain *s) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (int i = 0; i < SCRATCH_BUFFERS; i++)
		buf_free(all[i]);
	s->scratch.step = s->scratch.tries = 0;
	s->scratch.need = NEED_NOTHING;
	s->scratch.interval = s->scratch.device_ends = 0;
}

/* Starts a link from an empty scratch; its time is measured from here. */
static void try_link(struct chain *s, size_t at, struct now now) {
	s->at = at;
	s->began = now.mono;
	if (!s->first)
		s->links[at].outcome = LINK_TRYING;
	clear_scratch(s);
	s->not_before = now.mono;
}

/* A link that is tried again reports only its new outcome. */
static void forget(struct link *l) {
	l->outcome = LINK_UNTRIED;
	l->took = -1;
	buf_clear(&l->why);
	buf_clear(&l->advice);
}

/* The flows before the links run in this order: the cloud's addresses, then the
   cache.  After the last one the present link follows. */
void chain_found(struct chain *s, struct now now) {
	s->first = s->first == s->cache ? NULL : s->cache;
	try_link(s, s->at, now);
}

/* Starts a fetch, unless one is running.  The link that succeeded last is asked
   first; the ones before it keep their outcomes. */
static void begin(struct chain *s, struct now now) {
	if (s->wanted)
		return;
	s->wanted = true;
	if (!s->first)
		s->first = s->cache;
	for (size_t i = s->start; i < s->count; i++)
		forget(&s->links[i]);
	s->with_claims = s->claims.n > 0;
	s->unanswered = false;
	s->fail.kind = FAIL_NONE;
	try_link(s, s->start, now);
}

/* The scratch holds secrets, so it is empty between two fetches.  An answer
   that is still in flight is late then, see chain_feed. */
static void end_fetch(struct chain *s) {
	s->wanted = s->in_flight = false;
	clear_scratch(s);
}

/* Ends the fetch without a new token.  A token that is still valid stays in
   use.  If a credential cannot request the claims, they are dropped: a person
   may sign in with them before the next fetch. */
static void give_up(struct chain *s, struct now now) {
	if (s->unanswered)
		buf_clear(&s->claims);
	if (s->fail.message.failed)
		fail_set(&s->fail, FAIL_LIMIT, PHASE_TOKEN, no_memory);
	if (s->live)
		s->refresh_at = now.mono + PAUSE;
	end_fetch(s);
}

/* A refused generation that is not the present one was replaced already.  The
   claims stay until a token was fetched with them, since another operation may
   have started the present fetch without them. */
uint32_t chain_token(struct chain *s, uint32_t refused, struct span claims,
                     struct now now) {
	if (refused && refused == s->generation && s->live) {
		s->live = false;
		s->refused = true;
		if (claims.n > 0)
			buf_set(&s->claims, claims);
	}
	if (s->live && now.mono >= s->expires)
		s->live = false;
	if (!s->live || now.mono >= s->refresh_at)
		begin(s, now);
	return s->live ? s->generation : 0;
}

struct span chain_refused(const struct chain *s) {
	bool is_own = s->refused && s->source == s->at;
	return is_own ? buf_span(&s->token) : NO_SPAN;
}

/* RFC 7519: a JWT has three parts; the second is the claims in base64url. */
bool chain_claims(const struct chain *s, struct buf *out) {
	struct span rest = buf_span(&s->token), claims;
	span_word(&rest, ".");
	claims = span_word(&rest, ".");
	buf_clear(out);
	return rest.n > 0 && base64_decode(out, claims);
}

const struct fail *chain_failure(const struct chain *s) {
	return s->wanted || s->fail.kind == FAIL_NONE ? NULL : &s->fail;
}

/* Hint when no managed identity endpoint answers. */
static const char no_endpoint[] =
	"no managed identity endpoint answered: is this Azure, with a managed "
	"identity assigned?";

/* Deadlines belong to operations, so the chain itself never times out. */
void chain_progress(const struct chain *s, struct fail *out) {
	const struct flow *flow = flow_of(s);
	bool discovers = s->first && s->first != s->cache;
	struct buf *m = &out->message;
	if (!s->wanted)
		return;
	fail_set(out, FAIL_TIMEOUT, PHASE_TOKEN,
	         discovers ? "the discovery of the cloud" : "the sign-in by ");
	buf_adds(m, discovers ? "" : flow->name);
	buf_adds(m, " has not finished");
	out->hint = flow->managed ? no_endpoint : NULL;
	if (s->fail.kind != FAIL_NONE) {
		buf_adds(m, ": ");
		buf_add(m, buf_span(&s->fail.message));
		fail_copy_hint(out, &s->fail);
	}
}

/* A header field could bear more (RFC 9110 section 5.5).  A blank or a control
   character in a token means that something else was read, such as a page. */
bool chain_is_token(struct span token) {
	return token.n > 0 && token.n <= MAX_TOKEN && span_visible(token);
}

/* Five minutes before the end, at half of a short life, or when the authority
   says so (refresh_in). */
static int64_t refresh_after(int64_t life, int64_t refresh_in) {
	if (refresh_in > 0 && refresh_in * 1000 < life)
		return refresh_in * 1000;
	return life > EARLY ? life - EARLY : life / 2;
}

/* Ends the fetch with a token.  A token that cannot be sent or has no sensible
   life is a failure of its link.  Life is counted from the request, so that a
   slow answer does not extend it. */
const char chain_expired[] = "the token's expiry time has passed";

static const char too_large[] = "the token is larger than allowed";

/* NULL: the token can be used. */
static const char *why_refused(struct span token, int64_t lives) {
	if (token.n > MAX_TOKEN)
		return too_large;
	if (!chain_is_token(token))
		return "the token is empty or contains characters that a "
		       "header field does not allow";
	if (lives <= 0)
		return chain_expired;
	return lives > CHAIN_LONGEST ? "the token's expiry time is invalid"
	                             : NULL;
}

void chain_take(struct chain *s, struct span token, int64_t lives,
                int64_t refresh_in, struct now now) {
	struct link *l = &s->links[s->at];
	const char *why = why_refused(token, lives);
	if (why) {
		fail_set(&s->fail,
		         why == too_large ? FAIL_LIMIT : FAIL_CREDENTIAL,
		         PHASE_TOKEN, why);
		chain_fail(s, now);
		return;
	}
	/* az may return the refused token again; it is not shared */
	s->duty = s->cache && l->spec.shared &&
	                          !span_eq(token, buf_span(&s->token))
	                  ? CACHE_STORE
	                  : CACHE_NOTHING;
	buf_set(&s->token, token);
	if (s->token.failed) {
		s->live = false;
		buf_clear(&s->token);
		chain_exhausted(s, no_memory, now);
		return;
	}
	chain_find_subscription(s, buf_span(&s->scratch.subscription));
	s->generation++;
	s->live = true;
	s->refused = false;
	s->from_cache = false;
	s->source = s->at;
	s->start = s->at;
	s->fail.kind = FAIL_NONE;
	l->outcome = LINK_TOKEN;
	l->took = now.mono - s->began;
	buf_clear(&l->why);
	buf_clear(&l->advice);
	s->expires = s->sent_at + lives * 1000;
	s->refresh_at = s->sent_at + refresh_after(lives * 1000, refresh_in);
	end_fetch(s);
	if (s->with_claims) {
		buf_clear(&s->claims);
	} else if (s->claims.n > 0) { /* they arrived during the fetch */
		s->live = false;
		begin(s, now);
	}
}

/* ---- the chain ---------------------------------------------------------- *
 *
 * A link ends with a token (chain_take), because it is not set up, so that the
 * next one is tried (chain_absent), or because it failed (chain_fail).
 * chain_go_on tries the next link although this one failed, and chain_exhausted
 * ends the fetch.  The outcome is kept in the link, so the error can name all
 * of them.
 */

void chain_describe(struct chain *s, const char *message, struct span detail) {
	fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN, message);
	if (detail.n > 0)
		chain_add(s, detail);
}

enum { SECRETS = 5 };

/* Everything that the current link has sent or could send.  A server or a
   program may repeat it in its error. */
static struct secrets secrets_of(const struct chain *s,
                                 struct span list[SECRETS]) {
	const struct link *l = &s->links[s->at];
	list[0] = l->spec.value[SV_SECRET];
	list[1] = buf_span(&s->scratch.assertion);
	list[2] = buf_span(&s->scratch.device);
	list[3] = buf_span(&l->refresh_token);
	list[4] = buf_span(&s->token);
	return (struct secrets){ list, SECRETS };
}

void chain_add(struct chain *s, struct span text) {
	struct span list[SECRETS];
	fail_add_without(&s->fail, text, secrets_of(s, list));
}

void chain_note(struct chain *s, struct buf *out, struct span text) {
	struct span list[SECRETS];
	buf_clear(out);
	redact_add(out, text, secrets_of(s, list), buf_max(out));
}

/* "azure_cli: not installed (12 ms)" */
static void add_link(struct buf *m, const struct link *l) {
	buf_adds(m, l->spec.flow->name);
	buf_adds(m, ": ");
	buf_add(m, buf_span(&l->why));
	buf_adds(m, " (");
	buf_addint(m, l->took);
	buf_adds(m, " ms)");
}

/* Credentials that are set up and failed come first: one of them was probably
   meant. */
static void add_links(struct chain *s) {
	const char *parting = "";
	for (int failed = 1; failed >= 0; failed--)
		for (size_t i = 0; i < s->count; i++) {
			const struct link *l = &s->links[i];
			if (l->took < 0 ||
			    (l->outcome == LINK_FAILED) != failed)
				continue;
			buf_adds(&s->fail.message, parting);
			add_link(&s->fail.message, l);
			parting = "; ";
		}
}

/* The hint of the first link that is set up and failed; NULL: none. */
static const char *advice_of_links(struct chain *s) {
	for (size_t i = 0; i < s->count; i++) {
		struct link *l = &s->links[i];
		if (l->outcome == LINK_FAILED && l->advice.n > 0)
			return buf_cstr(&l->advice);
	}
	return NULL;
}

/* Keeps the outcome of the present link for err.links and client:explain. */
static void close_link(struct chain *s, enum link_outcome outcome,
                       struct now now) {
	struct link *l = &s->links[s->at];
	l->outcome = outcome;
	l->took = now.mono - s->began;
	buf_set(&l->why, buf_span(&s->fail.message));
	buf_set(&l->advice, span_of(s->fail.hint));
}

/* Tries the next link.  After the last one the failure lists all of them. */
static void next_link(struct chain *s, struct now now) {
	s->in_flight = false;
	s->start = 0;
	if (s->at + 1 < s->count) {
		s->fail.kind = FAIL_NONE;
		try_link(s, s->at + 1, now);
		return;
	}
	if (s->count > 1) {
		const char *hint = advice_of_links(s);
		fail_set(&s->fail, FAIL_CREDENTIAL, PHASE_TOKEN,
		         "no credential in the chain provided a token: ");
		add_links(s);
		buf_set(&s->fail.advice, span_of(hint));
		if (hint)
			fail_advise(&s->fail);
		else
			s->fail.hint = "set up one of these, or give one of "
				       "azpec.credential's values as "
				       "`credential`";
	}
	give_up(s, now);
}

/* A credential that is set up and fails ends the chain: with another one the
   caller could act as the wrong identity.  The developer tools of the default
   chain are the exception. */
void chain_fail(struct chain *s, struct now now) {
	if (s->first) { /* no link was tried */
		give_up(s, now);
		return;
	}
	if (s->links[s->at].spec.developer) {
		chain_go_on(s, LINK_FAILED, now);
		return;
	}
	close_link(s, LINK_FAILED, now);
	if (s->at > 0) { /* list the links before it as well */
		buf_set(&s->fail.message, SPAN("the chain stopped: "));
		add_links(s);
	}
	s->start = 0;
	give_up(s, now);
}

/* Ends the chain: another credential cannot cure this. */
void chain_exhausted(struct chain *s, const char *why, struct now now) {
	fail_set(&s->fail, FAIL_LIMIT, PHASE_TOKEN, why);
	if (!s->first)
		close_link(s, LINK_FAILED, now);
	if (s->claims.failed) /* the next challenge brings them again */
		buf_clear(&s->claims);
	s->start = 0;
	give_up(s, now);
}

void chain_go_on(struct chain *s, enum link_outcome outcome, struct now now) {
	close_link(s, outcome, now);
	next_link(s, now);
}

void chain_absent(struct chain *s, const char *why, struct span detail,
                  struct now now) {
	chain_describe(s, why, detail);
	chain_go_on(s, LINK_ABSENT, now);
}

/* ---- what happened ------------------------------------------------------ *
 *
 * Each answer goes through `again` first.  Only a final answer reaches the
 * flow.
 */

/* What to do about a connection that failed; NULL: nothing. */
static const char *hint_of_net(const struct flow *flow, enum net_error e) {
	if (flow->managed && (e == NET_CONNECT || e == NET_TIMEOUT))
		return no_endpoint;
	if (flow->managed && (e == NET_URL || e == NET_RESOLVE))
		return "check IDENTITY_ENDPOINT, MSI_ENDPOINT and "
		       "AZURE_POD_IDENTITY_AUTHORITY_HOST";
	return net_error_hint(e);
}

/* A request that got no HTTP response. */
static void describe_net(struct chain *s, const struct reply *r) {
	chain_describe(s, "sign-in failed: ", NO_SPAN);
	s->fail.kind = fail_kind_of_net(r->error);
	buf_adds(&s->fail.message, net_error_text(r->error));
	if (r->note.n > 0) {
		buf_adds(&s->fail.message, ": ");
		chain_add(s, buf_span(&r->note));
	}
	s->fail.retryable = retry_worthwhile(&s->retry, r, NO_SPAN);
	s->fail.hint = hint_of_net(flow_of(s), r->error);
}

/* Stores the error of a try that will be repeated, for chain_progress. */
static void note_trouble(struct chain *s, const struct reply *r) {
	if (r->error != NET_OK) {
		describe_net(s, r);
	} else {
		chain_describe(s, "sign-in failed: HTTP ", NO_SPAN);
		buf_addint(&s->fail.message, r->status);
	}
	if (!s->first)
		buf_set(&s->links[s->at].why, buf_span(&s->fail.message));
}

/* Only these two OAuth errors are temporary. */
static bool is_temporary(const struct answer *a) {
	return span_eq(a->facts.oauth_error, SPAN("temporarily_unavailable")) ||
	       span_eq(a->facts.oauth_error, SPAN("server_error"));
}

/* True: the request is sent again after a pause.  A flow may have its own rule,
   as the metadata service of virtual machines does. */
static bool again(struct chain *s, const struct answer *a) {
	const struct flow *flow = flow_of(s);
	int64_t asked = a->http->error == NET_OK
	                        ? http_retry_after(a->http, a->at.wall)
	                        : -1;
	int64_t delay = -1;
	s->scratch.tries++;
	if (flow->again)
		delay = flow->again(s, a, asked);
	else if (is_temporary(a) ||
	         retry_worthwhile(&s->retry, a->http, NO_SPAN))
		delay = retry_delay(&s->retry, s->scratch.tries, asked,
		                    random_next(&s->random));
	if (delay < 0)
		return false;
	s->not_before = a->at.mono + delay;
	note_trouble(s, a->http);
	return true;
}

/* A source that was only probed and does not answer counts as absent. */
static void no_response(struct chain *s, const struct reply *r,
                        struct now now) {
	struct link *l = &s->links[s->at];
	describe_net(s, r);
	if (s->first || !l->spec.probed) {
		chain_fail(s, now);
		return;
	}
	l->absent_until = now.mono + ABSENT_FOR;
	chain_go_on(s, LINK_ABSENT, now);
}

/* A late answer, after the fetch ended or while something else is needed, is
   ignored. */
void chain_feed(struct chain *s, const struct answer *a) {
	if (!s->in_flight || s->scratch.need != NEED_NOTHING)
		return;
	s->in_flight = false;
	if (a->http->error == NET_MEMORY) { /* tells nothing about the source */
		chain_exhausted(s, no_memory, a->at);
		return;
	}
	if (again(s, a))
		return;
	if (a->http->error != NET_OK)
		no_response(s, a->http, a->at);
	else
		flow_of(s)->fed(s, a);
}

/* A value or an output that comes after the fetch has ended, as after a
   timeout, is ignored like a late answer. */
bool chain_close_need(struct chain *s) {
	if (!s->in_flight || s->scratch.need == NEED_NOTHING)
		return false;
	s->in_flight = false;
	s->scratch.need = NEED_NOTHING;
	return true;
}

void chain_provided(struct chain *s, struct span bytes, struct now now) {
	if (chain_close_need(s))
		flow_of(s)->provided(s, bytes, now);
}

void chain_feed_output(struct chain *s, const struct answer *a) {
	if (chain_close_need(s))
		flow_of(s)->printed(s, a);
}

/* The reason may quote a file or a function of the host's, so it is redacted
   like any foreign text (chain_add). */
void chain_fail_need(struct chain *s, struct span why, enum need_failure how,
                     struct now now) {
	if (!chain_close_need(s))
		return;
	if (how == NEED_ABSENT) {
		chain_absent(s, "", why, now);
		return;
	}
	chain_describe(s, "", why);
	s->fail.retryable = how == NEED_LATER;
	chain_fail(s, now);
}

/* The expiry is a wall clock time, since the host got it from its authority. */
void chain_give(struct chain *s, struct span token, int64_t expires_on,
                struct now now) {
	int64_t hour = 3600; /* if the host gives no expiry */
	chain_take(s, token,
	           expires_on < 0 ? hour : expires_on - now.wall / 1000,
	           CHAIN_USUAL, now);
}

/* ---- the next request --------------------------------------------------- */

/* The hint of a credential that cannot answer the claims challenge. */
static void advise_claims(struct chain *s) {
	const struct flow *flow = flow_of(s);
	s->fail.hint = "sign in again, or use another credential";
	if (!flow->advise_claims)
		return;
	buf_clear(&s->fail.advice);
	flow->advise_claims(s, &s->fail.advice);
	if (s->fail.advice.n > 0)
		fail_advise(&s->fail);
}

/* Skips a link that was absent recently, or that cannot send the claims. */
static bool skipped(struct chain *s, struct now now) {
	const struct link *l = &s->links[s->at];
	if (s->scratch.step > 0 || s->first)
		return false;
	if (s->claims.n > 0 && !l->spec.flow->claims && s->generation > 0) {
		s->unanswered = true;
		chain_describe(
			s,
			"the service requires additional claims (conditional "
			"access), which this credential cannot request",
			NO_SPAN);
		advise_claims(s);
		chain_fail(s, now);
		return true;
	}
	if (now.mono >= l->absent_until)
		return false;
	chain_absent(s, "not found when last checked", NO_SPAN, now);
	return true;
}

/* A failed buffer is empty, so the request or the file name would be a
   different one. */
static bool is_whole(struct chain *s, enum chain_want want,
                     const struct request *q) {
	struct buf *all[ALL_BUFFERS];
	list_buffers(s, all);
	for (int i = 0; i < ALL_BUFFERS; i++)
		if (all[i]->failed)
			return false;
	return want != CHAIN_SEND || !request_failed(q);
}

/* A flow that ended its link returns CHAIN_IDLE: the loop continues with the
   next link, or ends with the fetch. */
enum chain_want chain_next(struct chain *s, struct now now, struct request *out,
                           int64_t *until) {
	*until = NEVER;
	while (s->wanted) {
		enum chain_want want;
		if (s->in_flight)
			return CHAIN_WAIT;
		if (now.mono < s->not_before) {
			*until = s->not_before;
			return CHAIN_WAIT;
		}
		if (skipped(s, now))
			continue;
		want = flow_of(s)->ask(s, out, now);
		if (want == CHAIN_IDLE)
			continue;
		if (is_whole(s, want, out))
			return want;
		chain_exhausted(s, no_memory, now);
	}
	return CHAIN_IDLE;
}

void chain_sent(struct chain *s, struct now now) {
	s->in_flight = true;
	s->sent_at = now.mono; /* a token's life is counted from here */
}
