/*
 * cache.c -- tokens shared by the processes of one user.
 *
 * A process that has fetched a token can leave a record of it where the next
 * one finds it.  The place is not this file's concern: the driver reads, writes
 * and removes records (lua/token_cache.c), the rules are here.
 *
 *   a fetch begins
 *        |
 *        v   NEED_CACHED: the driver looks for a record
 *   flow_cache --- usable ---> the record's token is the chain's
 *        |   \
 *        |    +-- not usable, for anybody: CACHE_REMOVE
 *        v
 *   the links ------ token ---> CACHE_STORE
 *
 * Which record.  Its name is a digest of everything that decides which token is
 * right: authority, scope, and each link with all its values; for az and azd
 * the subscription, too, which decides on the tenant.  The driver adds what
 * only it knows, such as the content of a certificate's file.  All links count,
 * not only the one that gave the token: an earlier one might be asked first in
 * another chain.
 *
 * Which tokens.  Only those of a flow that says so (`shared`), and of no
 * credential with a function of the host's, which may be anybody's.
 *
 * A record is read like foreign input.  It is usable if it has the format, is
 * for the scope, names a link that may share its token, and has not expired.
 * The token that a 401 turned down is not used again, and claims that a
 * challenge asks for are in no record.  A token that still lives is replaced
 * only by one that is not itself due for renewal.  Renewal follows the rules of
 * a token in memory (chain.c): the record has the same two times, by the clock
 * of the wall, since a monotonic clock means something else elsewhere.
 */
#include "core/token/cache.h"

#include "core/token/flow.h"

/* ---- the name ----------------------------------------------------------- */

/* With its length in front, so that "ab" and "c" are not "a" and "bc". */
void cache_add_part(struct buf *out, struct span part) {
	buf_addint(out, part.p ? (int64_t)part.n : -1);
	buf_addc(out, ':');
	buf_add(out, part);
}

void cache_add_identity(const struct chain *s, struct buf *out) {
	cache_add_part(out, buf_span(&s->authority));
	cache_add_part(out, buf_span(&s->scope));
	for (size_t i = 0; i < s->count; i++) {
		const struct chain_spec *spec = &s->links[i].spec;
		cache_add_part(out, span_of(spec->flow->name));
		for (int v = 0; v < SV_COUNT; v++)
			cache_add_part(out, spec->value[v]);
		if (spec->flow->subscribes && s->names_subscription)
			cache_add_part(out, buf_span(&s->subscription));
	}
}

/* ---- the record --------------------------------------------------------- */

/* A line each, in this order; the token is the last and has no line end. */
struct record {
	int64_t link;                   /* that gave the token */
	int64_t expires_on, refresh_on; /* s since 1970 */
	struct span subscription; /* that az or azd had by default; empty */
	struct span scope, token;
};

static const struct span format = { "azpec token 2", 13 };

static void add_line(struct buf *out, int64_t number) {
	buf_addint(out, number);
	buf_addc(out, '\n');
}

static void write_record(const struct chain *s, struct now now,
                         struct buf *out) {
	int64_t since = now.wall - now.mono; /* of the monotonic clock's 0 */
	buf_set(out, format);
	buf_addc(out, '\n');
	add_line(out, (int64_t)s->source);
	add_line(out, (s->expires + since) / 1000);
	add_line(out, (s->refresh_at + since) / 1000);
	if (!s->names_subscription)
		buf_add(out, buf_span(&s->subscription));
	buf_addc(out, '\n');
	buf_add(out, buf_span(&s->scope));
	buf_addc(out, '\n');
	buf_add(out, buf_span(&s->token));
}

static bool read_record(struct span text, struct record *r) {
	return span_eq(span_cut(&text, '\n'), format) &&
	       span_uint(span_cut(&text, '\n'), &r->link) &&
	       span_uint(span_cut(&text, '\n'), &r->expires_on) &&
	       span_uint(span_cut(&text, '\n'), &r->refresh_on) &&
	       (r->subscription = span_cut(&text, '\n'), text.p) &&
	       (r->scope = span_cut(&text, '\n'), text.p) &&
	       chain_is_token(r->token = text);
}

/* For this chain, and not at its end. */
static bool fits(const struct chain *s, const struct record *r,
                 struct now now) {
	int64_t lives = r->expires_on - now.wall / 1000;
	return span_eq(r->scope, buf_span(&s->scope)) &&
	       r->link < (int64_t)s->count && s->links[r->link].spec.shared &&
	       lives > 0 && lives <= CHAIN_LONGEST &&
	       r->refresh_on <= r->expires_on;
}

/* ---- looking ------------------------------------------------------------ */

static bool is_ours(const struct chain *s, const struct record *r) {
	return s->generation > 0 && span_eq(r->token, buf_span(&s->token));
}

static void take(struct chain *s, const struct record *r, struct now now) {
	int64_t second = now.wall / 1000, due = r->refresh_on - second;
	s->at = (size_t)r->link;
	s->first = NULL;
	s->sent_at = now.mono;
	chain_find_subscription(s, r->subscription);
	chain_take(s, r->token, r->expires_on - second, CHAIN_USUAL, now);
	if (!s->live)
		return;
	s->refresh_at = now.mono + (due > 0 ? due * 1000 : 0);
	s->from_cache = true;
	s->duty = CACHE_NOTHING; /* it is there already */
}

static void provided(struct chain *s, struct span bytes, struct now now) {
	struct record r;
	bool usable = read_record(bytes, &r) && fits(s, &r, now) &&
	              (s->live || !is_ours(s, &r));
	bool fresh = usable && r.refresh_on > now.wall / 1000;
	if (bytes.n > 0 && !usable)
		s->duty = CACHE_REMOVE;
	if (usable && s->claims.n == 0 && !is_ours(s, &r) &&
	    (fresh || !s->live))
		take(s, &r, now);
	else
		chain_found(s, now);
}

static enum chain_want ask(struct chain *s, struct request *q, struct now now) {
	(void)q;
	(void)now;
	s->scratch.need = NEED_CACHED;
	return CHAIN_NEED;
}

const struct flow flow_cache = {
	.name = "cache",
	.ask = ask,
	.provided = provided,
};

/* ---- leaving one -------------------------------------------------------- */

enum cache_duty cache_duty(struct chain *s, struct now now, struct buf *record,
                           int64_t *life) {
	enum cache_duty duty = s->duty;
	s->duty = CACHE_NOTHING;
	if (duty != CACHE_STORE)
		return duty;
	*life = (s->expires - now.mono) / 1000;
	write_record(s, now, record);
	return s->live && *life > 0 ? CACHE_STORE : CACHE_NOTHING;
}
