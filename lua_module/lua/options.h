/*
 * options.h -- checks Lua option tables and converts them to C values.  A wrong
 * type, an unknown key and an invalid value raise an error that names the
 * field. options.c is the only caller of getenv.
 */
#ifndef AZPEC_OPTIONS_H
#define AZPEC_OPTIONS_H

#include <lua.h>

#include "core/op.h"
#include "core/retry.h"

/* Of writes.  A change_reference without policy_token means "always". */
struct policy_options {
	struct span change_reference; /* absent: none */
	enum policy_when when;
	bool is_given; /* policy_token is there */
};

/* What azpec.client takes.  Strings point into the options table, or into the
   text buffer given. */
struct client_options {
	struct span subscription_id; /* absent: none known */
	const char *subscription_from;
	struct span endpoint; /* without a closing '/' */
	struct span authority_host;
	struct span scope;
	struct span api_version;
	struct span application_id;
	struct span traceparent, tracestate; /* absent: none */
	struct policy_options policy;
	const char *ca_file, *ca_path, *proxy;
	lua_Integer max_connections;
	int64_t timeout, poll_interval; /* ms; poll_interval 0: the default */
	struct retry_policy retry;
	bool shares_tokens; /* with other processes of the user */
	bool discover;      /* what is absent above is asked of the endpoint */
};

/* The calls that an options table is for: they decide which fields it may
   have. */
enum {
	FOR_CLIENT = 1, /* azpec.client */
	FOR_GROUP = 2,  /* the names of a resource group */
	FOR_ACCOUNT = 4,
	FOR_CONNECTION = 8,
	FOR_LINK = 16,   /* a private link resource of an account */
	FOR_UPDATE = 32, /* what is asked of a connection */
	FOR_MATCH = 64,  /* what a write may have: if_match, policy_token */
	FOR_LIST = 128,  /* maxresults */
	FOR_RESUME = 512,
	FOR_IDENTITY = 1024,
	FOR_TOKEN = 2048,  /* a continuation token that is made */
	FOR_ENSURE = 4096, /* skip_read */
	FOR_TENANT = 8192, /* nothing is named */
	FOR_QUERY = 16384, /* a query of Azure Resource Graph */
	FOR_CALL = 256,    /* timeout, wait and the like of one call */
};

/* One call of the API: its operation, options and URL. */
struct call {
	enum op_kind kind;
	int fields;              /* FOR_... */
	const char *collection;  /* after the named resource's path */
	const char *needs;       /* hint of a 403; NULL: by the operation */
	const char *api_version; /* of another provider; NULL: the client's
	                            api-version */
};

/* The longest values in bytes. */
enum {
	OPTIONS_MAX_HEADER = 1024, /* values of header fields */
	OPTIONS_MAX_TEXT = 65536,  /* description, action_required */
};

/* Raises unless the value at idx is a table that has only fields of these
   calls, each of the right type.  [-0, +0] */
void options_check(lua_State *L, int idx, int calls);
/* [-0, +0] */
void options_client(lua_State *L, int idx, struct client_options *o);
/* Parses the trusted origins, at most max.  The strings belong to the table. */
size_t options_origins(lua_State *L, int idx, struct url *out, size_t max);
/* The operation's fields; url and id are written to the buffers, which may
   raise: they are a userdata's.  defaults: the client's.  [-0, +0] */
struct op_defaults {
	struct span endpoint, subscription_id, api_version;
	const char *subscription_from; /* who named it; NULL: nobody */
	struct span traceparent, tracestate;
	struct policy_options policy;
	int64_t timeout, poll_interval;
};
void options_op(lua_State *L, int idx, const struct call *call,
                const struct op_defaults *d, struct op_spec *spec,
                struct buf *url, struct buf *id);
/* Completes a spec from a continuation token with the fields of the call's
   table at idx (or nil). */
void options_resume(lua_State *L, int idx, const struct op_defaults *d,
                    struct op_spec *spec, struct buf *url);
/* Pushes retry.codes of the checked table at idx, one per line; "" if absent.
   [-0, +1] */
void options_push_retry_codes(lua_State *L, int idx);
/* Pushes a query's body without its paging (core/op_list.h).  [-0, +1] */
void options_push_query(lua_State *L, int idx);

/* Field accessors, raw: no metamethod of the caller's runs. */
int options_push(lua_State *L, int idx, const char *name); /* [-0, +1] */
struct span options_string(lua_State *L, int idx, const char *name);
/* Pushes the key for HMACs of the table or nil at idx; returns its type.  [-0,
   +1] */
int options_push_key(lua_State *L, int idx, const char *name);
int options_bad(lua_State *L, const char *name, const char *why);
/* The value of an environment variable; NULL if it is unset or empty. */
const char *options_env(const char *name);
/* The same for a name, an id or an address, without blanks and line ends around
   it; absent if nothing is left. */
struct span options_env_name(const char *name);
char *const *options_environ(void); /* the whole environment, for a program */

#endif
