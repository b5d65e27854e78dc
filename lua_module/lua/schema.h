/*
 * schema.h -- the fields that a table may have, as rows.  The options of each
 * call, `retry` and each kind of credential have a schema.  One function checks
 * a table against it, so that all messages have the same form.
 */
#ifndef AZPEC_SCHEMA_H
#define AZPEC_SCHEMA_H

#include <lua.h>

#include "core/span.h"

struct schema_type {
	const char *expected; /* "NAME expected" */
	/* True when the value on the top of the stack is of this type. */
	bool (*fits)(lua_State *L, const struct schema_type *t);
	lua_Number min, max; /* for numbers */
	size_t longest; /* for strings, which must not be empty; 0: no limit */
};

bool schema_fits_string(lua_State *L, const struct schema_type *t);
bool schema_fits_number(lua_State *L, const struct schema_type *t);
bool schema_fits_integer(lua_State *L, const struct schema_type *t);
bool schema_fits_boolean(lua_State *L, const struct schema_type *t);
bool schema_fits_table(lua_State *L, const struct schema_type *t);
/* A function, or an object with a __call metamethod. */
bool schema_fits_function(lua_State *L, const struct schema_type *t);

extern const struct schema_type schema_string, schema_boolean, schema_table,
	schema_function;

/* a flag of a field; the other bits are free. */
enum { SCHEMA_REQUIRED = 1 << 30 };

struct schema_field {
	const char *name;
	const struct schema_type *type;
	int flags; /* which tables may have this field */
};

struct schema {
	const struct schema_field *fields; /* ends with a row without a name */
	const char *prefix;                /* in front of each field's name in
	                                      messages */
	bool secret; /* a number that is given for something else may be a
	                secret: it is not shown */
};

/* Raises unless each field of the table at idx has a row with one of these
   flags, each value fits, and every required field is there.  Access is raw: no
   metamethod of the caller runs, and a metatable with __index is refused.
   [-0, +0] */
void schema_check(lua_State *L, int idx, const struct schema *s, int flags);
/* The key at -2 during lua_next; raises if it is not a string. */
struct span schema_key(lua_State *L);

#endif
