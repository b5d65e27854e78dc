/*
 * json_error.c -- finds code, text and target of an error.
 *
 * Azure Resource Manager  {error: {code, message, target, details: [...],
 *                         additionalInfo: [{type, info}]}}
 * OData                   {"odata.error": {code, message: {lang, value}}}
 * Azure Batch             {code, message: {lang, value}, values: [{key,
 *                         value}]}
 * OAuth 2.0 (RFC 6749)    {error, error_description}
 * RFC 9457                {type, title, status, detail}
 * ASP.NET                 {Message, ExceptionMessage}, {title, errors: {name:
 *                         [text]}}
 *
 * Gateways and resource providers also send parts of these, an error as plain
 * text, a list of errors, and members in other letter case.  One rule reads
 * them all: unwrap the error, then take the first of the members that may hold
 * its code, its text, its target.  An error without a text of its own has it
 * in the errors below it.
 */
#include "json_error.h"

#include <lauxlib.h>

#include "json.h"

enum { MAX_DEPTH = 8 }; /* errors in errors */

typedef const char *const names[]; /* the first that is there counts */

static names wrappers = { "error", "odata.error", NULL };
static names codes = { "code", "errorCode", "error", NULL };
static names texts = { "message", "errorMessage", "error_description",
	               "title",   "detail",       "description",
	               "error",   "value",        NULL };
static names more_texts = { "exceptionMessage", "detail", NULL };
static names nested = { "details", "errors", "innererror",  "innerException",
	                "values",  "error",  "odata.error", NULL };

/* The value at the top as text: a string, or {lang, value}.  It stays anchored
   in its table.  [-0, +0] */
static struct span text_at_top(lua_State *L) {
	struct span s = NO_SPAN;
	if (lua_istable(L, -1)) {
		json_push_member(L, -1, "value");
		s = lua_istable(L, -1) ? NO_SPAN : text_at_top(L);
		lua_pop(L, 1);
	} else if (lua_type(L, -1) == LUA_TSTRING) {
		s.p = lua_tolstring(L, -1, &s.n);
	}
	return span_trim(s);
}

/* The first of the members that is a text with something in it. */
static struct span first_text(lua_State *L, int idx, names list) {
	struct span s = NO_SPAN;
	for (size_t i = 0; list[i] && s.n == 0; i++) {
		json_push_member(L, idx, list[i]);
		s = text_at_top(L);
		lua_pop(L, 1);
	}
	return s.n > 0 ? s : NO_SPAN;
}

/* ---- one error ---------------------------------------------------------- */

static void read_error(lua_State *L, int idx, int depth, struct facts *f);
static void read_any(lua_State *L, int depth, struct facts *f);

/* Takes what the value at the top says where f says nothing. */
static void read_inner(lua_State *L, int depth, struct facts *f) {
	struct facts inner = NO_FACTS;
	read_any(L, depth, &inner);
	if (inner.message.n == 0)
		return;
	f->message = inner.message;
	f->more = inner.more;
	f->code = f->code.n > 0 ? f->code : inner.code;
	f->target = f->target.n > 0 ? f->target : inner.target;
}

/* The value at the top: an error, a list of them, a text, or a table of lists
   of texts. */
static void read_any(lua_State *L, int depth, struct facts *f) {
	int idx = lua_gettop(L);
	if (!lua_istable(L, idx)) {
		f->message = text_at_top(L);
		return;
	}
	read_error(L, idx, depth, f);
	for (lua_pushnil(L); depth > 0 && f->message.n == 0 && lua_next(L, idx);
	     lua_pop(L, 1))
		if (lua_istable(L, -1) || lua_rawlen(L, idx) > 0)
			read_inner(L, depth - 1, f);
	lua_settop(L, idx);
}

/* The error has no text: that of the errors in it, and their code where it has
   none either. */
static void read_nested(lua_State *L, int idx, int depth, struct facts *f) {
	for (size_t i = 0; nested[i] && f->message.n == 0; i++) {
		json_push_member(L, idx, nested[i]);
		read_inner(L, depth - 1, f);
		lua_pop(L, 1);
	}
}

/* RFC 9457: the type names the kind of problem, unless it is "about:blank". */
static struct span problem_type(lua_State *L, int idx) {
	static names type = { "type", NULL }, title = { "title", NULL };
	struct span s = first_text(L, idx, type);
	bool known = !span_ieq(s, SPAN("about:blank"));
	return known && first_text(L, idx, title).n > 0 ? s : NO_SPAN;
}

/* The members of one error, which is the table at idx. */
static void read_error(lua_State *L, int idx, int depth, struct facts *f) {
	static names targets = { "target", NULL };
	luaL_checkstack(L, 10, "json");
	f->code = first_text(L, idx, codes);
	f->message = first_text(L, idx, texts);
	f->more = first_text(L, idx, more_texts);
	f->target = first_text(L, idx, targets);
	if (f->more.p == f->message.p)
		f->more = NO_SPAN;
	if (f->code.n == 0 || f->code.p == f->message.p)
		f->code = problem_type(L, idx);
	if (f->message.n == 0 && depth > 0)
		read_nested(L, idx, depth, f);
}

/* ---- the body ----------------------------------------------------------- */

/* Pushes the error that the table at idx wraps, or nil.  [-0, +1] */
static bool push_wrapped(lua_State *L, int idx) {
	for (size_t i = 0; wrappers[i]; i++) {
		if (json_push_member(L, idx, wrappers[i]) == LUA_TTABLE)
			return true;
		lua_pop(L, 1);
	}
	if (json_push_member(L, idx, "properties") == LUA_TTABLE) {
		json_push_member(L, -1, "error");
		lua_remove(L, -2);
	}
	return lua_istable(L, -1);
}

/* A resource or a page is no error, whatever its members are called. */
static bool is_result(lua_State *L, int idx) {
	bool is;
	lua_settop(L, idx);
	is = json_push_member(L, idx, "properties") == LUA_TTABLE ||
	     json_push_member(L, idx, "value") == LUA_TTABLE;
	lua_settop(L, idx);
	return is;
}

/* {error: "...", error_description: "..."}; a plain text as well. */
static void read_oauth(lua_State *L, int idx, struct facts *f) {
	static names error = { "error", NULL },
		     description = { "error_description", NULL };
	f->oauth_error = first_text(L, idx, error);
	f->oauth_description = first_text(L, idx, description);
}

/* Has the table at the top a member that speaks of an error?  One look at all
   its members, for the many answers that have none.  [-0, +0] */
static bool speaks_of_error(lua_State *L) {
	static names all = { "error", "odata.error", "error_description",
		             NULL };
	bool speaks = false;
	for (lua_pushnil(L); !speaks && lua_next(L, -2);
	     lua_pop(L, speaks ? 2 : 1)) {
		struct span key = NO_SPAN;
		if (lua_type(L, -2) == LUA_TSTRING)
			key.p = lua_tolstring(L, -2, &key.n);
		for (size_t i = 0; all[i] && !speaks; i++)
			speaks = key.p && span_ieq(key, span_of(all[i]));
	}
	return speaks;
}

/* A resource or a page, with no error in it.  [-0, +0] */
static bool is_mere_result(lua_State *L, int idx) {
	bool mere = is_result(L, idx) && !speaks_of_error(L);
	if (mere && json_push_member(L, idx, "properties") == LUA_TTABLE)
		mere = !speaks_of_error(L);
	lua_settop(L, idx);
	return mere;
}

void json_read_error(lua_State *L, int idx, struct facts *f) {
	int top = lua_gettop(L);
	if (!lua_istable(L, idx))
		return;
	luaL_checkstack(L, 10, "json");
	lua_pushvalue(L, idx);
	if (is_mere_result(L, top + 1)) {
		lua_settop(L, top);
		return;
	}
	read_oauth(L, top + 1, f);
	f->error = push_wrapped(L, top + 1);
	if (f->error) {
		read_any(L, MAX_DEPTH, f);
	} else if (!is_result(L, top + 1)) {
		if (lua_rawlen(L, top + 1) > 0) /* a list of errors */
			read_any(L, MAX_DEPTH, f);
		else
			read_error(L, top + 1, MAX_DEPTH, f);
		f->error = f->oauth_error.n > 0 || f->code.n > 0;
	}
	lua_settop(L, top);
}

void json_push_details(lua_State *L, int idx) {
	int top = lua_gettop(L);
	luaL_checkstack(L, 10, "json");
	lua_pushnil(L); /* in the results' places */
	lua_pushnil(L);
	if (!push_wrapped(L, lua_absindex(L, idx))) {
		lua_pop(L, 1);
		lua_pushvalue(L, idx);
	}
	for (size_t i = 0; nested[i] && lua_isnil(L, top + 1); i++) {
		if (json_push_member(L, top + 3, nested[i]) == LUA_TTABLE)
			lua_copy(L, -1, top + 1);
		lua_settop(L, top + 3);
	}
	if (lua_isnil(L, top + 1) && lua_rawlen(L, top + 3) > 0)
		lua_copy(L, top + 3, top + 1); /* a list of errors */
	if (json_push_member(L, top + 3, "additionalInfo") == LUA_TTABLE)
		lua_copy(L, -1, top + 2);
	lua_settop(L, top + 2);
}
