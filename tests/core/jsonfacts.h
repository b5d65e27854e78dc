/*
 * jsonfacts.h -- facts out of JSON text, by the rules of the module's own
 * reader (json.c) but without Lua: no test can state facts that no body could
 * have given.  Strings are read with the escapes \" \\ and \/ alone.
 */
#ifndef AZPEC_TEST_JSONFACTS_H
#define AZPEC_TEST_JSONFACTS_H

#include <stdlib.h>

#include "core/date.h"
#include "core/op_state.h"
#include "support.h"

/* What is left to read; ok is sticky. */
struct json_text {
	struct span s;
	int depth;
	bool ok;
};

static inline char json_peek(struct json_text *t) {
	while (t->s.n > 0 && strchr(" \t\r\n", *t->s.p))
		t->s = span_from(t->s, 1);
	return t->s.n > 0 ? *t->s.p : '\0';
}

static inline bool json_take(struct json_text *t, char c) {
	bool there = json_peek(t) == c && t->s.n > 0;
	if (there)
		t->s = span_from(t->s, 1);
	return there;
}

/* The raw text of a string, between its quotes. */
static inline struct span json_string(struct json_text *t) {
	struct span raw = { t->s.p + 1, 0 };
	if (!json_take(t, '"')) {
		t->ok = false;
		return NO_SPAN;
	}
	while (raw.n < t->s.n && raw.p[raw.n] != '"')
		raw.n += raw.p[raw.n] == '\\' ? 2 : 1;
	t->ok = t->ok && raw.n < t->s.n;
	t->s = t->ok ? span_from(t->s, raw.n + 1) : NO_SPAN;
	return raw;
}

static inline void json_word(struct json_text *t) {
	static const char *const words[] = { "true", "false", "null" };
	size_t n = 0;
	while (n < t->s.n && strchr("+-.0123456789eE", t->s.p[n]))
		n++;
	for (size_t i = 0; i < COUNT(words) && n == 0; i++)
		if (span_istarts(t->s, test_text(words[i])))
			n = strlen(words[i]);
	t->ok = t->ok && n > 0;
	t->s = t->ok ? span_from(t->s, n) : NO_SPAN;
}

/* One value of any kind; its raw text. */
static inline struct span json_value(struct json_text *t) {
	char first = json_peek(t), last = first == '{' ? '}' : ']';
	struct span raw = t->s;
	t->ok = t->ok && ++t->depth < 64;
	if (first == '"') {
		json_string(t);
	} else if (first == '{' || first == '[') {
		json_take(t, first);
		while (t->ok && !json_take(t, last)) {
			if (first == '{') {
				json_peek(t);
				json_string(t);
				t->ok = t->ok && json_take(t, ':');
			}
			json_value(t);
			if (!json_take(t, ',') && json_peek(t) != last)
				t->ok = false;
		}
	} else {
		json_word(t);
	}
	t->depth--;
	raw.n = t->ok ? (size_t)(t->s.p - raw.p) : 0;
	return t->ok ? raw : NO_SPAN;
}

static inline bool json_is_table(struct span v) {
	return v.n > 0 && (*v.p == '{' || *v.p == '[');
}

/* The raw value of that member (the last one wins); absent for all else. */
static inline struct span json_raw(struct span object, const char *name) {
	bool exact = false;
	struct json_text t = { .s = object, .ok = true };
	struct span found = NO_SPAN;
	if (object.n == 0 || !json_take(&t, '{'))
		return NO_SPAN;
	while (t.ok && json_peek(&t) == '"') {
		struct span key = json_string(&t), value;
		json_take(&t, ':');
		value = json_value(&t);
		exact = exact || span_eq(key, test_text(name));
		if (exact ? span_eq(key, test_text(name))
		          : span_ieq(key, test_text(name)))
			found = value;
		json_take(&t, ',');
	}
	return found;
}

/* The same; null is absent. */
static inline struct span json_member(struct span object, const char *name) {
	struct span v = json_raw(object, name);
	return span_eq(v, SPAN("null")) ? NO_SPAN : v;
}

/* Unescaped, where it has to be, in a ring of its own. */
static inline struct span json_unescape(struct span raw) {
	static char ring[1 << 14];
	static size_t at;
	struct span out;
	if (!memchr(raw.p, '\\', raw.n))
		return raw;
	if (at + raw.n > sizeof ring)
		at = 0;
	out = (struct span){ ring + at, 0 };
	for (size_t i = 0; i < raw.n; i++, out.n++) {
		i += raw.p[i] == '\\';
		ring[at++] = raw.p[i];
	}
	return out;
}

static inline struct span json_text_of(struct span object, const char *name) {
	struct span v = json_member(object, name);
	if (v.n < 2 || *v.p != '"')
		return NO_SPAN;
	return json_unescape((struct span){ v.p + 1, v.n - 2 });
}

/* A number, or a string of digits, below FACTS_MAX; -1 for all else. */
static inline int64_t json_integer_of(struct span object, const char *name) {
	struct span v = json_member(object, name);
	int64_t n = -1;
	if (v.n > 0 && *v.p == '"')
		v = json_text_of(object, name);
	return span_uint(v, &n) && n < FACTS_MAX ? n : -1;
}

static inline bool json_says(struct span text, const char *part) {
	return span_icontains(text, test_text(part));
}

/* What a policy asks of a write: read as text, without the way there. */
static inline enum policy_wish json_wish(struct span e, struct span code) {
	if (!span_ieq(code, SPAN("RequestDisallowedByPolicy")) ||
	    !json_says(e, "\"shouldDeny\":true"))
		return POLICY_NOTHING;
	return json_says(e, "\"isChangeReferenceRequired\":true")
	               ? POLICY_CHANGE
	               : POLICY_TOKEN;
}

static inline void json_error(struct span e, struct facts *f) {
	f->error = true;
	f->code = json_text_of(e, "code");
	f->message = json_text_of(e, "message");
	f->target = json_text_of(e, "target");
	f->policy = json_wish(e, f->code);
	if (!f->message.p)
		f->message = json_text_of(json_member(e, "message"), "value");
}

static inline void json_find_error(struct span o, struct facts *f) {
	const struct span at[] = {
		json_member(o, "error"), json_member(o, "odata.error"),
		json_member(json_member(o, "properties"), "error")
	};
	for (size_t i = 0; i < COUNT(at) && !f->error; i++)
		if (json_is_table(at[i]))
			json_error(at[i], f);
	f->oauth_error = json_text_of(o, "error");
	f->oauth_description = json_text_of(o, "error_description");
	if (!f->error && f->oauth_error.n > 0) {
		f->error = true;
		f->message = f->oauth_description;
	} else if (!f->error && json_text_of(o, "code").p) {
		json_error(o, f);
	} else if (!f->error) {
		f->message = json_text_of(o, "message");
	}
}

static inline void json_resource(struct span o, struct resource_facts *f) {
	struct span status = json_member(o, "status");
	struct span properties = json_member(o, "properties");
	struct span state =
		json_member(properties, "privateLinkServiceConnectionState");
	*f = NO_RESOURCE;
	f->status = json_text_of(o, "status");
	f->bad_status = status.p && f->status.n == 0;
	f->percent = (int)json_integer_of(o, "percentComplete");
	f->id = json_text_of(o, "id");
	f->etag = json_text_of(o, "etag");
	f->is_resource = json_is_table(properties) || (f->id.p && !status.p);
	f->provisioning_state = json_text_of(properties, "provisioningState");
	f->connection_status = json_text_of(state, "status");
	f->description = json_text_of(state, "description");
	f->action_required = json_text_of(state, "actionsRequired");
	if (!f->action_required.p)
		f->action_required = json_text_of(state, "actionRequired");
}

/* Text, null or nothing names the next page. */
static inline bool json_link(struct span o, const char *name, struct facts *f) {
	struct span value = json_member(o, name);
	if (value.p && *value.p != '"')
		f->flaw = PAGE_BAD_LINK;
	return f->flaw != PAGE_BAD_LINK;
}

static inline void json_page(struct span o, struct facts *f) {
	struct span value = json_member(o, "value");
	bool empty = !value.p && !f->error &&
	             (json_raw(o, "value").p || json_raw(o, "nextLink").p);
	if ((!empty && !json_is_table(value)) || !json_link(o, "nextLink", f))
		return;
	f->document = DOCUMENT_PAGE;
	f->as.page.empty = empty || span_trim(span_from(value, 1)).n == 1;
	f->as.page.next_link = json_text_of(o, "nextLink");
}

static inline void json_rows(struct span o, struct facts *f) {
	struct page_facts *page = &f->as.page;
	struct span data = json_member(o, "data");
	if (data.n == 0 || *data.p != '[' || !json_link(o, "$skipToken", f))
		return;
	f->document = DOCUMENT_PAGE;
	page->empty = span_trim(span_from(data, 1)).n == 1;
	page->skip_token = json_text_of(o, "$skipToken");
	page->truncated =
		page->skip_token.n == 0 &&
		span_ieq(json_text_of(o, "resultTruncated"), SPAN("true"));
}

/* retryAfter: "2001-09-09T01:46:40Z" and ms are one (now_at). */
static inline void json_policy(struct span o, struct policy_facts *f) {
	struct span properties = json_member(o, "properties");
	struct span in = json_is_table(properties) ? properties : o;
	*f = NO_POLICY;
	f->status = json_text_of(o, "status");
	f->result = json_text_of(in, "result");
	f->token = json_text_of(in, "token");
	f->token_id = json_text_of(in, "tokenId");
	f->reason = json_text_of(in, "message");
	f->denied = json_says(in, "\"policyAction\":\"Deny\"");
	f->unmet = f->denied;
	f->retry_after = date_token(json_text_of(in, "retryAfter"));
}

/* The body as a JSON object, *whole, and the error in it. */
static inline struct facts json_facts(struct span body, struct span *whole) {
	struct facts f = NO_FACTS;
	struct json_text t = { .ok = true };
	if (span_istarts(body, SPAN("\xef\xbb\xbf")))
		body = span_from(body, 3);
	t.s = span_trim(body);
	if (t.s.n == 0)
		return f;
	*whole = json_value(&t);
	f.broken = !t.ok || t.s.n > 0;
	f.json = !f.broken && json_is_table(*whole);
	if (f.json)
		json_find_error(*whole, &f);
	return f;
}

/* As the answer to that kind of operation is read.  The spans lie in body,
   which must stay. */
static inline struct facts facts_of(struct span body, enum op_kind kind) {
	struct span whole;
	struct facts f = json_facts(body, &whole);
	if (!f.json)
		return f;
	if (kind == OP_LIST) {
		json_page(whole, &f);
	} else if (kind == OP_QUERY) {
		json_rows(whole, &f);
	} else {
		f.document = DOCUMENT_RESOURCE;
		json_resource(whole, &f.as.resource);
	}
	return f;
}

/* As the answer to a request for a policy token is read. */
static inline struct facts policy_facts_of(struct span body) {
	struct span whole;
	struct facts f = json_facts(body, &whole);
	if (!f.json)
		return f;
	f.document = DOCUMENT_POLICY;
	json_policy(whole, &f.as.policy);
	return f;
}

#endif
