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
 *
 * The time is linear in the number of members, and at most MAX_MEMBERS of one
 * body are read.  Each object is searched once for all the names, and each
 * error below another one is read once.
 */
#include "lua/json_error.h"

#include <lauxlib.h>

enum {
	MAX_DEPTH = 8, /* errors in errors */
	MAX_MEMBERS = 50000,
};

/* ---- members ------------------------------------------------------------ */

/* The members that are searched for. */
enum member {
	ADDITIONAL_INFO,
	CHANGE_REFERENCE,
	CODE,
	DESCRIPTION,
	DETAIL,
	DETAILS,
	ERROR,
	ERROR_CODE,
	ERROR_DESCRIPTION,
	ERROR_MESSAGE,
	ERRORS,
	EXCEPTION_MESSAGE,
	INNER_ERROR,
	INNER_EXCEPTION,
	MESSAGE,
	ODATA_ERROR,
	POLICY_DETAILS,
	PROPERTIES,
	SHOULD_DENY,
	TARGET,
	TITLE,
	TYPE,
	VALUE,
	VALUES,
	NONE, /* also ends a list */
};

static const struct span names[NONE] = {
	[ADDITIONAL_INFO] = { "additionalInfo", 14 },
	[CHANGE_REFERENCE] = { "isChangeReferenceRequired", 25 },
	[CODE] = { "code", 4 },
	[DESCRIPTION] = { "description", 11 },
	[DETAIL] = { "detail", 6 },
	[DETAILS] = { "details", 7 },
	[ERROR] = { "error", 5 },
	[ERROR_CODE] = { "errorCode", 9 },
	[ERROR_DESCRIPTION] = { "error_description", 17 },
	[ERROR_MESSAGE] = { "errorMessage", 12 },
	[ERRORS] = { "errors", 6 },
	[EXCEPTION_MESSAGE] = { "exceptionMessage", 16 },
	[INNER_ERROR] = { "innererror", 10 },
	[INNER_EXCEPTION] = { "innerException", 14 },
	[MESSAGE] = { "message", 7 },
	[ODATA_ERROR] = { "odata.error", 11 },
	[POLICY_DETAILS] = { "missingPolicyTokenDetails", 25 },
	[PROPERTIES] = { "properties", 10 },
	[SHOULD_DENY] = { "shouldDeny", 10 },
	[TARGET] = { "target", 6 },
	[TITLE] = { "title", 5 },
	[TYPE] = { "type", 4 },
	[VALUE] = { "value", 5 },
	[VALUES] = { "values", 6 },
};

typedef const enum member choice[]; /* the first that is there counts */

static choice wrappers = { ERROR, ODATA_ERROR, NONE };
static choice codes = { CODE, ERROR_CODE, ERROR, NONE };
static choice texts = { MESSAGE, ERROR_MESSAGE, ERROR_DESCRIPTION,
	                TITLE,   DETAIL,        DESCRIPTION,
	                ERROR,   VALUE,         NONE };
static choice more_texts = { EXCEPTION_MESSAGE, DETAIL, NONE };
static choice nested = { DETAILS, ERRORS, INNER_ERROR, INNER_EXCEPTION,
	                 VALUES,  ERROR,  ODATA_ERROR, NONE };

/* The reading of one body, and how many members it may still read. */
struct reading {
	lua_State *L;
	size_t left;
};

static bool may_read(struct reading *r) {
	if (r->left == 0)
		return false;
	r->left--;
	return true;
}

/* The table at idx, and how it spells the names of its members. */
struct object {
	int idx;
	struct span keys[NONE];
};

/* A string; absent for every other type. */
static struct span string_at(lua_State *L, int idx) {
	struct span s = NO_SPAN;
	if (lua_type(L, idx) == LUA_TSTRING)
		s.p = lua_tolstring(L, idx, &s.n);
	return s;
}

/* The exact name comes before the first one in other letter case. */
static void note_key(struct object *o, struct span key) {
	for (enum member m = 0; m < NONE; m++) {
		if (key.n != names[m].n || !span_ieq(key, names[m]))
			continue;
		if (o->keys[m].p == NULL || span_eq(key, names[m]))
			o->keys[m] = key;
	}
}

/* Finds the members with exactly these names, without a search. */
static void look_up(lua_State *L, struct object *o) {
	for (enum member m = 0; m < NONE; m++) {
		lua_pushlstring(L, names[m].p, names[m].n);
		if (lua_rawget(L, o->idx) != LUA_TNIL)
			o->keys[m] = names[m];
		lua_pop(L, 1);
	}
}

/* Finds the members of the table at idx; a list has none.  [-0, +0] */
static void find_members(struct reading *r, int idx, struct object *o) {
	lua_State *L = r->L;
	int top = lua_gettop(L);
	bool may = true;
	*o = (struct object){ .idx = idx };
	luaL_checkstack(L, 10, "json");
	if (lua_rawlen(L, idx) > 0)
		return;
	for (lua_pushnil(L); (may = may_read(r)) && lua_next(L, idx);
	     lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING)
			note_key(o, string_at(L, -2));
	lua_settop(L, top);
	if (!may)
		look_up(L, o);
}

/* Pushes the member or nil, and returns its type.  [-0, +1] */
static int push_member(lua_State *L, const struct object *o, enum member m) {
	struct span key = o->keys[m];
	if (key.p == NULL) {
		lua_pushnil(L);
		return LUA_TNIL;
	}
	lua_pushlstring(L, key.p, key.n);
	return lua_rawget(L, o->idx);
}

static int type_of(lua_State *L, const struct object *o, enum member m) {
	int type = push_member(L, o, m);
	lua_pop(L, 1);
	return type;
}

/* ---- texts -------------------------------------------------------------- */

/* The value at the top as text: a string, or {lang, value}.  It stays anchored
   in its table.  [-0, +0] */
static struct span text_at_top(struct reading *r) {
	lua_State *L = r->L;
	struct span s = string_at(L, -1);
	struct object o;
	if (lua_istable(L, -1)) {
		find_members(r, lua_gettop(L), &o);
		push_member(L, &o, VALUE);
		s = string_at(L, -1);
		lua_pop(L, 1);
	}
	return span_trim(s);
}

/* The first of the members that is a text with something in it. */
static struct span first_text(struct reading *r, const struct object *o,
                              choice list) {
	struct span s = NO_SPAN;
	for (; *list != NONE && s.n == 0; list++) {
		push_member(r->L, o, *list);
		s = text_at_top(r);
		lua_pop(r->L, 1);
	}
	return s.n > 0 ? s : NO_SPAN;
}

/* ---- one error ---------------------------------------------------------- */

static void read_any(struct reading *r, int depth, struct facts *f);

/* Takes what the value at the top says where f says nothing. */
static void read_inner(struct reading *r, int depth, struct facts *f) {
	struct facts inner = NO_FACTS;
	read_any(r, depth, &inner);
	if (inner.message.n == 0)
		return;
	f->message = inner.message;
	f->more = inner.more;
	f->code = f->code.n > 0 ? f->code : inner.code;
	f->target = f->target.n > 0 ? f->target : inner.target;
}

/* The error has no text: that of the errors in it, and their code where it has
   none either. */
static void read_nested(struct reading *r, const struct object *o, int depth,
                        struct facts *f) {
	for (const enum member *m = nested; *m != NONE && f->message.n == 0;
	     m++) {
		if (push_member(r->L, o, *m) != LUA_TNIL && may_read(r))
			read_inner(r, depth - 1, f);
		lua_pop(r->L, 1);
	}
}

/* Azure Resource Graph words each error so, and says in the details what it
   is. */
static bool says_nothing(struct span message) {
	return span_istarts(message, SPAN("Please provide below info when "
	                                  "asking for support"));
}

/* For an error with no text, or with one that says nothing. */
static void read_details(struct reading *r, const struct object *o, int depth,
                         struct facts *f) {
	struct facts own = *f;
	if (own.message.n > 0)
		f->code = f->message = NO_SPAN;
	read_nested(r, o, depth, f);
	if (f->code.n == 0)
		f->code = own.code;
	if (f->message.n == 0)
		f->message = own.message;
}

/* RFC 9457: the type names the kind of problem, unless it is "about:blank". */
static struct span problem_type(struct reading *r, const struct object *o) {
	static choice type = { TYPE, NONE }, title = { TITLE, NONE };
	struct span s = first_text(r, o, type);
	bool known = !span_ieq(s, SPAN("about:blank"));
	return known && first_text(r, o, title).n > 0 ? s : NO_SPAN;
}

/* The members of one error. */
static void read_error(struct reading *r, const struct object *o, int depth,
                       struct facts *f) {
	static choice targets = { TARGET, NONE };
	f->code = first_text(r, o, codes);
	f->message = first_text(r, o, texts);
	f->more = first_text(r, o, more_texts);
	f->target = first_text(r, o, targets);
	if (f->more.p == f->message.p)
		f->more = NO_SPAN;
	if (f->code.n == 0 || f->code.p == f->message.p)
		f->code = problem_type(r, o);
	if (depth > 0 && (f->message.n == 0 || says_nothing(f->message)))
		read_details(r, o, depth, f);
}

/* Is the member whose name is below the top one that read_nested has read? */
static bool is_nested(lua_State *L, const struct object *o) {
	struct span key = string_at(L, -2);
	for (const enum member *m = nested; key.p && *m != NONE; m++)
		if (span_eq(o->keys[*m], key))
			return true;
	return false;
}

/* The items of a list, or the tables of an object that read_error has read and
   found no text in. */
static void read_children(struct reading *r, const struct object *o, int depth,
                          struct facts *f) {
	lua_State *L = r->L;
	bool list = lua_rawlen(L, o->idx) > 0;
	for (lua_pushnil(L);
	     f->message.n == 0 && may_read(r) && lua_next(L, o->idx);
	     lua_pop(L, 1))
		if (list || (lua_istable(L, -1) && !is_nested(L, o)))
			read_inner(r, depth - 1, f);
	lua_settop(L, o->idx);
}

/* The value at the top: an error, a list of them, a text, or a table of lists
   of texts. */
static void read_any(struct reading *r, int depth, struct facts *f) {
	struct object o;
	if (!lua_istable(r->L, -1)) {
		f->message = text_at_top(r);
		return;
	}
	find_members(r, lua_gettop(r->L), &o);
	read_error(r, &o, depth, f);
	if (depth > 0)
		read_children(r, &o, depth, f);
}

/* ---- what a policy asks for ---------------------------------------------- */

/* A boolean, or one as a text. */
static bool is_true(struct reading *r, const struct object *o, enum member m) {
	bool is;
	if (push_member(r->L, o, m) == LUA_TSTRING)
		is = span_ieq(text_at_top(r), SPAN("true"));
	else
		is = lua_toboolean(r->L, -1);
	lua_pop(r->L, 1);
	return is;
}

/* The details of one policy, in the table at the top. */
static enum policy_wish wish_of_details(struct reading *r) {
	struct object o;
	find_members(r, lua_gettop(r->L), &o);
	if (!is_true(r, &o, SHOULD_DENY))
		return POLICY_NOTHING;
	return is_true(r, &o, CHANGE_REFERENCE) ? POLICY_CHANGE : POLICY_TOKEN;
}

/* Of all policies' details in the table at the top, wherever they are: Azure's
   own tools and documents have them in two places. */
static enum policy_wish read_wish(struct reading *r, int depth) {
	lua_State *L = r->L;
	int idx = lua_gettop(L);
	enum policy_wish most = POLICY_NOTHING, one;
	struct object o;
	find_members(r, idx, &o);
	if (push_member(L, &o, POLICY_DETAILS) == LUA_TTABLE)
		most = wish_of_details(r);
	lua_settop(L, idx);
	for (lua_pushnil(L); depth > 0 && may_read(r) && lua_next(L, idx);
	     lua_pop(L, 1)) {
		one = lua_istable(L, -1) ? read_wish(r, depth - 1)
		                         : POLICY_NOTHING;
		most = one > most ? one : most;
	}
	lua_settop(L, idx);
	return most;
}

/* ---- the body ----------------------------------------------------------- */

/* Pushes the error that the table wraps, or nil.  [-0, +1] */
static bool push_wrapped(struct reading *r, const struct object *o) {
	lua_State *L = r->L;
	struct object properties;
	for (const enum member *m = wrappers; *m != NONE; m++) {
		if (push_member(L, o, *m) == LUA_TTABLE)
			return true;
		lua_pop(L, 1);
	}
	if (push_member(L, o, PROPERTIES) == LUA_TTABLE) {
		find_members(r, lua_gettop(L), &properties);
		push_member(L, &properties, ERROR);
		lua_remove(L, -2);
	}
	return lua_istable(L, -1);
}

/* A resource or a page is no error, whatever its members are called. */
static bool is_result(lua_State *L, const struct object *o) {
	return type_of(L, o, PROPERTIES) == LUA_TTABLE ||
	       type_of(L, o, VALUE) == LUA_TTABLE;
}

/* {error: "...", error_description: "..."}; a plain text as well. */
static void read_oauth(struct reading *r, const struct object *o,
                       struct facts *f) {
	static choice error = { ERROR, NONE },
		      description = { ERROR_DESCRIPTION, NONE };
	f->oauth_error = first_text(r, o, error);
	f->oauth_description = first_text(r, o, description);
}

/* Reads the body, which is the table at the top. */
static void read_body(struct reading *r, struct facts *f) {
	lua_State *L = r->L;
	int idx = lua_gettop(L);
	struct object o;
	find_members(r, idx, &o);
	read_oauth(r, &o, f);
	f->error = push_wrapped(r, &o);
	if (f->error) {
		read_any(r, MAX_DEPTH, f);
		if (span_ieq(f->code, SPAN("RequestDisallowedByPolicy")))
			f->policy = read_wish(r, MAX_DEPTH);
	} else if (!is_result(L, &o)) {
		lua_settop(L, idx);
		if (lua_rawlen(L, idx) > 0) /* a list of errors */
			read_any(r, MAX_DEPTH, f);
		else
			read_error(r, &o, MAX_DEPTH, f);
		f->error = f->oauth_error.n > 0 || f->code.n > 0;
	}
}

void json_read_error(lua_State *L, int idx, struct facts *f) {
	struct reading r = { L, MAX_MEMBERS };
	int top = lua_gettop(L);
	if (!lua_istable(L, idx))
		return;
	luaL_checkstack(L, 10, "json");
	lua_pushvalue(L, idx);
	read_body(&r, f);
	lua_settop(L, top);
}

void json_push_details(lua_State *L, int idx) {
	struct reading r = { L, MAX_MEMBERS };
	int top = lua_gettop(L);
	struct object o;
	luaL_checkstack(L, 10, "json");
	find_members(&r, lua_absindex(L, idx), &o);
	lua_pushnil(L); /* in the results' places */
	lua_pushnil(L);
	if (push_wrapped(&r, &o)) {
		find_members(&r, top + 3, &o);
	} else {
		lua_pushvalue(L, o.idx);
		lua_replace(L, top + 3);
	}
	for (const enum member *m = nested; *m != NONE; m++) {
		if (lua_isnil(L, top + 1) &&
		    push_member(L, &o, *m) == LUA_TTABLE)
			lua_copy(L, -1, top + 1);
		lua_settop(L, top + 3);
	}
	if (lua_isnil(L, top + 1) && lua_rawlen(L, top + 3) > 0)
		lua_copy(L, top + 3, top + 1); /* a list of errors */
	if (push_member(L, &o, ADDITIONAL_INFO) == LUA_TTABLE)
		lua_copy(L, -1, top + 2);
	lua_settop(L, top + 2);
}
