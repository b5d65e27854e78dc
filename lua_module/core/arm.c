/* arm.c -- resource ids and names of Azure Resource Manager. */
#include "core/arm.h"

#include <string.h>

/* True when s has the pattern's length and characters.  An x in the pattern
   matches any character of these classes. */
static bool is_like(struct span s, const char *pattern, unsigned kinds) {
	if (s.n != span_of(pattern).n)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (pattern[i] == 'x' ? !char_is(s.p[i], kinds)
		                      : s.p[i] != pattern[i])
			return false;
	return true;
}

bool arm_is_guid(struct span s) {
	return is_like(s, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", CHAR_HEX);
}

/* In practice a GUID, but the REST API's own examples use "subid". */
const char *arm_check_subscription(struct span s) {
	bool ok = s.n >= 1 && s.n <= 64 && span_only(s, CHAR_ALNUM, "-_");
	return ok ? NULL : "a subscription's GUID expected";
}

/* The rule allows Unicode letters and digits.  Characters beyond ASCII are
   accepted here and checked by the service. */
const char *arm_check_group(struct span s) {
	static const char *const rule =
		"1 to 90 letters, digits, '_', '-', '.', '(' or ')', "
		"not ending in '.', expected";
	size_t chars = 0, n;
	if (!span_only(s, CHAR_ALNUM | CHAR_HIGH, "_-.()"))
		return rule;
	for (struct span rest = s; rest.n > 0; rest = span_from(rest, n)) {
		n = span_utf8(rest);
		if (n == 0)
			return rule;
		chars++;
	}
	return chars >= 1 && chars <= 90 && s.p[s.n - 1] != '.' ? NULL : rule;
}

const char *arm_check_account(struct span s) {
	bool ok = s.n >= 3 && s.n <= 24 && span_only(s, CHAR_ALNUM, "");
	return ok ? NULL : "3 to 24 letters and digits expected";
}

/* The REST API description allows one '.', before the GUID:
   ^[a-zA-Z0-9_-]+\.?[a-fA-F0-9-]*$. But a connection's name begins with the
   private endpoint's name, which may contain '.'. So the service checks where
   dots stand. */
const char *arm_check_connection(struct span s) {
	bool ok = s.n >= 1 && s.n <= 101 && *s.p != '.' &&
	          span_only(s, CHAR_ALNUM, "_-.");
	return ok ? NULL
	          : "1 to 101 letters, digits, '_', '-' or '.', not beginning "
	            "with '.', expected";
}

/* YYYY-MM-DD, optionally with a suffix such as -preview. */
const char *arm_check_api_version(struct span s) {
	static const char *const rule = "YYYY-MM-DD or YYYY-MM-DD-preview "
					"expected";
	struct span day = { s.p, s.n < 10 ? s.n : 10 };
	struct span suffix = span_from(s, day.n);
	bool ok = is_like(day, "xxxx-xx-xx", CHAR_DIGIT) && s.n <= 32 &&
	          (suffix.n == 0 ||
	           (suffix.n > 1 && *suffix.p == '-' &&
	            span_only(span_from(suffix, 1), CHAR_LOWER, "")));
	return ok ? NULL : rule;
}

/* Removes and returns the next "/segment"; empty at the end. */
static struct span segment(struct span *s) {
	struct span seg = { s->p, 0 };
	if (s->n == 0 || *s->p != '/')
		return seg;
	seg = span_from(*s, 1);
	seg.n = span_cspn(seg, "/");
	*s = span_from(*s, 1 + seg.n);
	return seg;
}

static bool fixed(struct span *s, const char *word) {
	return span_ieq(segment(s), span_of(word));
}

/* The reason for an id of another type, such as a private endpoint's. */
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

/* Parses the part that both kinds of id begin with.  NULL: valid. */
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

/* From api-version 2022-10-01 on the member is called actionsRequired. */
static const char *action_name(struct span api_version) {
	return api_version.n >= 10 &&
	                       memcmp(api_version.p, "2022-10-01", 10) >= 0
	               ? "actionsRequired"
	               : "actionRequired";
}

static void add_member(struct buf *out, const char *name, struct span value) {
	if (!value.p)
		return;
	if (out->n > 0 && out->p[out->n - 1] != '{')
		buf_addc(out, ',');
	buf_add_json(out, span_of(name));
	buf_addc(out, ':');
	buf_add_json(out, value);
}

void arm_write_state(struct buf *out, struct span api_version,
                     struct span status, struct span description,
                     struct span action_required) {
	buf_adds(out, "{\"properties\":"
	              "{\"privateLinkServiceConnectionState\":{");
	add_member(out, "status", status);
	add_member(out, "description", description);
	add_member(out, action_name(api_version), action_required);
	buf_adds(out, "}}}");
}
