/*
 * options.h -- from a Lua options table to checked C values.  A wrong type, an
 * unknown key and a value against the rules raise an error that names the
 * field.  options.c is the only caller of getenv.
 */
#ifndef AZPEC_OPTIONS_H
#define AZPEC_OPTIONS_H

#include <lua.h>

#include "core/op.h"
#include "core/retry.h"

/* What azpec.client takes.  Strings point into the options table, or into the
   text buffer given. */
struct client_options {
	struct span subscription_id; /* absent: none known */
	struct span endpoint;        /* without a closing '/' */
	struct span authority_host;
	struct span scope;
	struct span api_version;
	struct span application_id;
	const char *ca_file, *ca_path, *proxy;
	lua_Integer max_connections;
	int64_t timeout, poll_interval; /* ms; poll_interval 0: the default */
	struct retry_policy retry;
	bool discover; /* what is absent above is asked of the endpoint */
};

/* Which calls a table is for: what fields may stand in it. */
enum {
	FOR_CLIENT = 1, /* azpec.client */
	FOR_GROUP = 2,  /* what names a resource group */
	FOR_ACCOUNT = 4,
	FOR_CONNECTION = 8,
	FOR_LINK = 16,   /* a private link resource of an account */
	FOR_UPDATE = 32, /* what is asked of a connection */
	FOR_MATCH = 64,  /* if_match */
	FOR_LIST = 128,  /* maxresults */
	FOR_RESUME = 512,
	FOR_IDENTITY = 1024,
	FOR_CALL = 256, /* timeout, wait and the like of one call */
};

/* One call of the API: what it does, what it takes, where it goes. */
struct call {
	enum op_kind kind;
	int fields;              /* FOR_... */
	const char *collection;  /* behind the named resource's path */
	const char *needs;       /* hint of a 403; NULL: by the operation */
	const char *api_version; /* of another provider; NULL: the client's */
};

/* Bytes that these may have at most. */
enum {
	OPTIONS_MAX_HEADER = 1024, /* what becomes a header field */
	OPTIONS_MAX_TEXT = 65536,  /* description, action_required */
};

/* Raises unless idx is a table with fields of these calls only, each of the
   right type.  [-0, +0] */
void options_check(lua_State *L, int idx, int calls);
/* [-0, +0] */
void options_client(lua_State *L, int idx, struct client_options *o);
/* The trusted origins, parsed; at most max.  The strings stay the table's. */
size_t options_origins(lua_State *L, int idx, struct url *out, size_t max);
/* The operation's fields; url and id are written to the buffers, which may
   raise: they are a userdata's.  defaults: the client's.  [-0, +0] */
struct op_defaults {
	struct span endpoint, subscription_id, api_version;
	int64_t timeout, poll_interval;
};
void options_op(lua_State *L, int idx, const struct call *call,
                const struct op_defaults *d, struct op_spec *spec,
                struct buf *url, struct buf *id);
/* Completes a spec that came from a continuation token, with the call's own
   fields of the table at idx (or nil). */
void options_resume(lua_State *L, int idx, const struct op_defaults *d,
                    struct op_spec *spec, struct buf *url);
/* Pushes the PATCH's body as a table.  [-0, +1] */
void options_push_body(lua_State *L, const struct op_spec *spec);

/* Field accessors, raw: no metamethod of the caller's runs. */
int options_push(lua_State *L, int idx, const char *name); /* [-0, +1] */
struct span options_string(lua_State *L, int idx, const char *name);
/* The key at -2 of a table that is walked; one that is no string raises. */
struct span options_key(lua_State *L);
/* A function, or an object that can be called like one. */
bool options_callable(lua_State *L, int idx);
int options_bad(lua_State *L, const char *name, const char *why);
/* A variable of the environment; empty counts as unset: NULL. */
const char *options_env(const char *name);
/* The same of a name, an id or an address: without the blanks and line ends
   around it; absent where nothing is left. */
struct span options_env_name(const char *name);
char *const *options_environ(void); /* all of it, for a program */

#endif
