/* arm.c -- ids and names of Azure Resource Manager. */
#include "arm.h"

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(char c) {
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool arm_is_guid(struct span s) {
	if (s.n != 36)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s.p[i] != '-' : !is_hex(s.p[i]))
			return false;
	}
	return true;
}

/* A GUID in practice; the API document's own sample says "subid". */
const char *arm_check_subscription(struct span s) {
	bool ok = s.n >= 1 && s.n <= 64;
	for (size_t i = 0; ok && i < s.n; i++)
		ok = is_alnum(s.p[i]) || s.p[i] == '-' || s.p[i] == '_';
	return ok ? NULL : "a subscription's GUID expected";
}

/* Letters and digits are Unicode's; which of its characters are letters is
   left to the service, so all beyond ASCII are let through. */
const char *arm_check_group(struct span s) {
	static const char *const rule =
		"1 to 90 letters, digits, '_', '-', '.', '(' or ')', "
		"not ending in '.', expected";
	struct span rest = s;
	size_t chars = 0;
	while (rest.n > 0) {
		char c = *rest.p;
		bool plain = is_alnum(c) || c == '_' || c == '-' || c == '.' ||
		             c == '(' || c == ')';
		size_t n = plain                     ? 1
		           : (unsigned char)c < 0x80 ? 0
		                                     : span_utf8(rest);
		if (n == 0)
			return rule;
		rest = span_from(rest, n);
		chars++;
	}
	return chars >= 1 && chars <= 90 && s.p[s.n - 1] != '.' ? NULL : rule;
}

const char *arm_check_account(struct span s) {
	bool ok = s.n >= 3 && s.n <= 24;
	for (size_t i = 0; ok && i < s.n; i++)
		ok = is_alnum(s.p[i]);
	return ok ? NULL : "3 to 24 letters and digits expected";
}

/* The REST description says ^[a-zA-Z0-9_-]+\.?[a-fA-F0-9-]*$, one '.' before the
   GUID.  But a private endpoint may have '.' in its own name, which the
   connection's begins with: where dots stand is left to the service. */
const char *arm_check_connection(struct span s) {
	bool ok = s.n >= 1 && s.n <= 101 && *s.p != '.';
	for (size_t i = 0; ok && i < s.n; i++)
		ok = is_alnum(s.p[i]) || s.p[i] == '_' || s.p[i] == '-' ||
		     s.p[i] == '.';
	return ok ? NULL
	          : "1 to 101 letters, digits, '_', '-' or '.', not beginning "
	            "with '.', expected";
}

/* YYYY-MM-DD, optionally with a suffix such as -preview. */
const char *arm_check_api_version(struct span s) {
	static const char *const rule = "YYYY-MM-DD or YYYY-MM-DD-preview "
					"expected";
	if (s.n < 10 || s.n > 32)
		return rule;
	for (size_t i = 0; i < s.n; i++) {
		bool dash = i == 4 || i == 7 || i == 10;
		bool ok = dash     ? s.p[i] == '-'
		          : i < 10 ? is_digit(s.p[i])
		                   : s.p[i] >= 'a' && s.p[i] <= 'z';
		if (!ok)
			return rule;
	}
	return s.n != 11 ? NULL : rule;
}

/* Cuts the next "/segment" off; an empty one when there is none. */
static struct span segment(struct span *s) {
	struct span seg = { s->p, 0 };
	if (s->n == 0 || *s->p != '/')
		return seg;
	seg.p++;
	while (1 + seg.n < s->n && seg.p[seg.n] != '/')
		seg.n++;
	*s = span_from(*s, 1 + seg.n);
	return seg;
}

static bool fixed(struct span *s, const char *word) {
	return span_ieq(segment(s), span_of(word));
}

/* What somebody meant who gave a private endpoint's id. */
static const char *why_not(struct span provider, struct span type) {
	if (span_ieq(provider, SPAN("Microsoft.Network")) &&
	    span_ieq(type, SPAN("privateEndpoints")))
		return "this is the id of a private endpoint; the id of the "
		       "Batch account's private endpoint connection expected "
		       "(list the account's connections and take the one "
		       "whose privateEndpoint.id this is)";
	if (span_ieq(provider, SPAN("Microsoft.Batch")) &&
	    span_ieq(type, SPAN("batchAccounts")))
		return "this is the id of a Batch account or of another of "
		       "its parts; .../privateEndpointConnections/NAME "
		       "expected";
	return "/subscriptions/.../resourceGroups/.../providers/"
	       "Microsoft.Batch/batchAccounts/.../"
	       "privateEndpointConnections/NAME expected";
}

/* The part that both kinds of id begin with; NULL: fine. */
static const char *parse_account(struct span *rest, struct arm_id *out,
                                 const char **why) {
	struct span provider, type;
	bool ok = fixed(rest, "subscriptions");
	out->subscription = segment(rest);
	ok = fixed(rest, "resourceGroups") && ok;
	out->group = segment(rest);
	ok = fixed(rest, "providers") && ok;
	provider = segment(rest);
	type = segment(rest);
	out->account = segment(rest);
	out->connection = out->link = NO_SPAN;
	*why = why_not(provider, type);
	if (!ok || !span_ieq(provider, SPAN("Microsoft.Batch")) ||
	    !span_ieq(type, SPAN("batchAccounts")))
		return *why;
	if (arm_check_subscription(out->subscription))
		return arm_check_subscription(out->subscription);
	if (arm_check_group(out->group))
		return arm_check_group(out->group);
	return arm_check_account(out->account);
}

const char *arm_parse_id(struct span id, struct arm_id *out) {
	const char *otherwise, *why = parse_account(&id, out, &otherwise);
	if (why)
		return why;
	if (!fixed(&id, "privateEndpointConnections"))
		return otherwise;
	out->connection = segment(&id);
	return id.n > 0 ? why_not(NO_SPAN, NO_SPAN)
	                : arm_check_connection(out->connection);
}

const char *arm_parse_account_id(struct span id, struct arm_id *out) {
	const char *otherwise, *why = parse_account(&id, out, &otherwise);
	if (why)
		return why;
	return id.n > 0 ? "/subscriptions/.../resourceGroups/.../providers/"
	                  "Microsoft.Batch/batchAccounts/NAME expected"
	                : NULL;
}

static void write(struct buf *out, const struct arm_id *id,
                  void (*part)(struct buf *, struct span)) {
	const struct {
		const char *prefix;
		struct span value;
	} parts[] = {
		{ "/subscriptions/", id->subscription },
		{ "/resourceGroups/", id->group },
		{ "/providers/Microsoft.Batch/batchAccounts/", id->account },
		{ "/privateEndpointConnections/", id->connection },
		{ "/privateLinkResources/", id->link },
	};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (!parts[i].value.p)
			continue;
		buf_adds(out, parts[i].prefix);
		part(out, parts[i].value);
	}
}

void arm_write_id(struct buf *out, const struct arm_id *id) {
	write(out, id, buf_add);
}

void arm_write_path(struct buf *out, const struct arm_id *id) {
	write(out, id, url_encode);
}
