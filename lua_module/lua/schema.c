/* schema.c -- checks a table against the rows of a schema. */
#include "lua/schema.h"

#include <lauxlib.h>
#include <string.h>

/* ---- types -------------------------------------------------------------- */

bool schema_fits_string(lua_State *L, const struct schema_type *t) {
	(void)t;
	return lua_type(L, -1) == LUA_TSTRING;
}

bool schema_fits_number(lua_State *L, const struct schema_type *t) {
	lua_Number n = lua_tonumber(L, -1);
	return lua_type(L, -1) == LUA_TNUMBER && n >= t->min && n <= t->max;
}

bool schema_fits_integer(lua_State *L, const struct schema_type *t) {
	int whole = 0;
	lua_tointegerx(L, -1, &whole);
	return whole && schema_fits_number(L, t);
}

bool schema_fits_boolean(lua_State *L, const struct schema_type *t) {
	(void)t;
	return lua_isboolean(L, -1);
}

bool schema_fits_table(lua_State *L, const struct schema_type *t) {
	(void)t;
	return lua_istable(L, -1);
}

bool schema_fits_function(lua_State *L, const struct schema_type *t) {
	(void)t;
	if (lua_isfunction(L, -1))
		return true;
	if (luaL_getmetafield(L, -1, "__call") == LUA_TNIL)
		return false;
	lua_pop(L, 1);
	return true;
}

const struct schema_type schema_string = { .expected = "string",
	                                   .fits = schema_fits_string };
const struct schema_type schema_boolean = { .expected = "boolean",
	                                    .fits = schema_fits_boolean };
const struct schema_type schema_table = { .expected = "table",
	                                  .fits = schema_fits_table };
const struct schema_type schema_function = { .expected = "function",
	                                     .fits = schema_fits_function };

/* ---- checks ------------------------------------------------------------- */

static void refuse_type(lua_State *L, const struct schema *s,
                        const struct schema_field *f) {
	bool shown = lua_type(L, -1) == LUA_TNUMBER &&
	             (!s->secret || f->type->max > 0);
	luaL_error(L, "bad field '%s%s' (%s expected, got %s)", s->prefix,
	           f->name, f->type->expected,
	           shown ? lua_tostring(L, -1) : luaL_typename(L, -1));
}

static void check_length(lua_State *L, const struct schema *s,
                         const struct schema_field *f) {
	const size_t mib = 1024 * 1024, longest = f->type->longest;
	size_t n = lua_rawlen(L, -1);
	if (longest == 0 || lua_type(L, -1) != LUA_TSTRING)
		return;
	if (n == 0)
		luaL_error(L, "bad field '%s%s' (must not be empty)", s->prefix,
		           f->name);
	if (n > longest)
		luaL_error(L, "bad field '%s%s' (at most %d %s expected)",
		           s->prefix, f->name,
		           (int)(longest < mib ? longest : longest / mib),
		           longest < mib ? "bytes" : "MiB");
}

/* Checks the value on the top of the stack. */
static void check_value(lua_State *L, const struct schema *s,
                        const struct schema_field *f) {
	if (!f->type->fits(L, f->type))
		refuse_type(L, s, f);
	check_length(L, s, f);
}

static bool is_named(const struct schema_field *f, struct span key) {
	return *key.p == *f->name && span_eq(key, span_of(f->name));
}

struct span schema_key(lua_State *L) {
	struct span s = NO_SPAN;
	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_error(L, "unknown field (a %s) among the options",
		           luaL_typename(L, -2));
	s.p = lua_tolstring(L, -2, &s.n);
	return s;
}

/* ---- misspelt names ------------------------------------------------------ */

enum {
	LONGEST = 40,     /* bytes of a name that is compared */
	MOST_WRONG = 2,   /* letters of a misspelt name */
	LEAST_TO_FIND = 5 /* letters of a part of a name */
};

/* How many letters to insert, delete or replace (Levenshtein).  b is at most
   LONGEST. */
static int distance(struct span a, struct span b) {
	int row[LONGEST + 1];
	for (size_t j = 0; j <= b.n; j++)
		row[j] = (int)j;
	for (size_t i = 0; i < a.n; i++) {
		int left = (int)i + 1, before = row[0];
		row[0] = left;
		for (size_t j = 0; j < b.n; j++) {
			int least = before + (a.p[i] != b.p[j]);
			before = row[j + 1];
			if (before + 1 < least)
				least = before + 1;
			if (left + 1 < least)
				least = left + 1;
			row[j + 1] = left = least;
		}
	}
	return row[b.n];
}

/* How far a name is from a key: 0 to MOST_WRONG letters, one more if the key is
   a part of it; -1: it is not meant. */
static int likeness(struct span key, struct span name) {
	int wrong = distance(name, key);
	if (wrong <= MOST_WRONG && (size_t)wrong * 2 < name.n)
		return wrong;
	if (key.n >= LEAST_TO_FIND && strstr(name.p, key.p))
		return MOST_WRONG + 1;
	return -1;
}

/* The name that a caller probably means; NULL: none. */
static const char *nearest(const struct schema *s, int flags, struct span key) {
	const char *found = NULL;
	int least = MOST_WRONG + 2;
	if (key.n > LONGEST)
		return NULL;
	for (const struct schema_field *f = s->fields; f->name; f++) {
		int off =
			f->flags & flags ? likeness(key, span_of(f->name)) : -1;
		if (off < 0 || off >= least)
			continue;
		least = off;
		found = f->name;
	}
	return found;
}

static void refuse_name(lua_State *L, const struct schema *s, int flags,
                        struct span key) {
	const char *meant = nearest(s, flags, key);
	if (meant)
		luaL_error(L, "unknown field '%s%s'; did you mean '%s%s'?",
		           s->prefix, key.p, s->prefix, meant);
	luaL_error(L, "unknown field '%s%s'", s->prefix, key.p);
}

/* Key at -2, value at -1. */
static void check_pair(lua_State *L, const struct schema *s, int flags) {
	const struct schema_field *f = s->fields;
	struct span key = schema_key(L);
	while (f->name && !((f->flags & flags) && is_named(f, key)))
		f++;
	if (!f->name)
		refuse_name(L, s, flags, key);
	check_value(L, s, f);
}

/* Access is raw, so defaults behind an __index would be ignored. */
static void refuse_index(lua_State *L, int idx, const struct schema *s) {
	if (luaL_getmetafield(L, idx, "__index") != LUA_TNIL)
		luaL_error(L,
		           "bad field '%s__index' (fields of a metatable are "
		           "not read: put them into the table itself)",
		           s->prefix);
}

void schema_check(lua_State *L, int idx, const struct schema *s, int flags) {
	refuse_index(L, idx, s);
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
		check_pair(L, s, flags);
	for (const struct schema_field *f = s->fields; f->name; f++) {
		if (!(f->flags & SCHEMA_REQUIRED))
			continue;
		lua_pushstring(L, f->name);
		lua_rawget(L, idx);
		check_value(L, s, f);
		lua_pop(L, 1);
	}
}
