/* provide.c -- provides what the sign-in needs and the core cannot do
   itself. */
#include "lua/provide.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base64.h"
#include "core/token/flow.h"
#include "lua/credential.h"
#include "lua/json.h"
#include "lua/json_error.h"
#include "lua/session.h"
#include "lua/signer.h"
#include "lua/token_cache.h"
#include "io/sys.h"

enum {
	PROGRAM_TIMEOUT = 10000, /* ms, as in the Azure SDKs */
	MAX_FILE = 256 * 1024,
	MAX_KEY_FILE = 4096,
	MAX_ARGUMENTS = 32, /* of a program; az and azd have up to 13 */
	SHA1 = 20,          /* bytes of a thumbprint */
	SHA256 = 32,
	MAX_CHANGES = 6 + 2 * MAX_LINKS, /* the environment of a program */
};

/* Pushes the fields of the current link's credential.  [-0, +1] */
static void push_fields(lua_State *L, int idx, const struct chain *s) {
	lua_getiuservalue(L, idx, CUV_LINKS);
	lua_rawgeti(L, -1, (lua_Integer)s->at + 1);
	lua_remove(L, -2);
}

static void push_span(lua_State *L, struct span s) {
	if (s.n > 0)
		lua_pushlstring(L, s.p, s.n);
	else
		lua_pushnil(L);
}

static const char no_memory[] = "not enough memory for the sign-in";

/* Each need ends in one of these functions.  They read the clock, because the
   host's function may have taken time. */
static void give(struct client *c, struct span bytes) {
	chain_provided(&c->core.chain, bytes, sys_now());
}

static void exhaust(struct client *c, const char *why) {
	chain_exhausted(&c->core.chain, why, sys_now());
}

/* Fails with the value on the top as the reason.  [-0, +0] */
static void fail(lua_State *L, struct client *c, const char *what,
                 enum need_failure how) {
	struct span why;
	lua_pushfstring(L, "%s%s", what, session_text(L, c).p);
	why.p = lua_tolstring(L, -1, &why.n);
	chain_fail_need(&c->core.chain, why, how, sys_now());
	lua_pop(L, 1);
}

/* Reads the reason on the top: may the same call succeed later?  Access is raw.
   [-0, +0] */
static enum need_failure read_reason(lua_State *L) {
	bool later;
	if (!lua_istable(L, -1))
		return NEED_FAILED;
	options_push(L, lua_gettop(L), "retryable");
	later = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return later ? NEED_LATER : NEED_FAILED;
}

/* The error that a function of the host raised, which is on the top. */
static void fail_raised(lua_State *L, struct client *c, const char *what) {
	fail(L, c, what, read_reason(L));
}

/* The error of a function that did not return a string; or nil and a reason,
   which is on the top. */
static void fail_result(lua_State *L, struct client *c, const char *what) {
	enum need_failure how = read_reason(L);
	if (lua_isnil(L, -1))
		lua_pushliteral(L, "it returned no string");
	fail(L, c, what, how);
}

static struct span string_at(lua_State *L, int idx) {
	struct span s;
	s.p = lua_tolstring(L, idx, &s.n);
	return s;
}

/* ---- the host's functions ----------------------------------------------- */

/* Reads s since 1970, as a number or in digits; -1: nil; too far: invalid. */
static int64_t expiry(lua_State *L, int idx) {
	static const lua_Number too_far = 1e12;
	lua_Number n = lua_tonumber(L, idx);
	if (lua_isnil(L, idx))
		return -1;
	if (!lua_isnumber(L, idx) || !(n < too_far))
		return (int64_t)too_far;
	return n > 0 ? (int64_t)n : 0;
}

/* get(scope, claims, refused) -> token, expires_on */
static void provide_token(lua_State *L, struct client *c, int fields) {
	struct chain *s = &c->core.chain;
	int at = lua_gettop(L) + 1;
	lua_getfield(L, fields, "get");
	push_span(L, buf_span(&s->scope));
	push_span(L, buf_span(&s->claims));
	push_span(L, chain_refused(s));
	if (!session_pcall(L, c, 3, 2))
		fail_raised(L, c, "the token function failed: ");
	else if (lua_type(L, at) != LUA_TSTRING)
		fail_result(L, c, "the token function failed: ");
	else
		chain_give(s, string_at(L, at), expiry(L, at + 1), sys_now());
}

/* assertion() -> JWT, client_secret() -> the secret */
static void provide_function(lua_State *L, struct client *c, int fields,
                             const char *name) {
	int at = lua_gettop(L) + 2;
	lua_pushfstring(L, "the %s function failed: ", name);
	lua_getfield(L, fields, name);
	if (!session_pcall(L, c, 0, 2))
		fail_raised(L, c, lua_tostring(L, at - 1));
	else if (lua_type(L, at) != LUA_TSTRING)
		fail_result(L, c, lua_tostring(L, at - 1));
	else
		give(c, string_at(L, at));
}

/* Reads s->scratch.work: three texts, each followed by a NUL. */
static void set_text(lua_State *L, const char *name, struct span *rest) {
	struct span s = span_of(rest->p);
	lua_pushlstring(L, s.p, s.n);
	lua_setfield(L, -2, name);
	*rest = span_from(*rest, s.n + 1);
}

/* prompt { user_code, verification_uri, message } */
static void provide_prompt(lua_State *L, struct client *c, int fields) {
	struct span rest = buf_span(&c->core.chain.scratch.work);
	lua_getfield(L, fields, "prompt");
	lua_createtable(L, 0, 3);
	set_text(L, "user_code", &rest);
	set_text(L, "verification_uri", &rest);
	set_text(L, "message", &rest);
	if (session_pcall(L, c, 1, 0))
		give(c, SPAN(""));
	else
		fail_raised(L, c, "the prompt function failed: ");
}

/* ---- certificates ------------------------------------------------------- */

/* Pushes the certificate's key object, loaded anew for each token since files
   are rotated, or nil and why.
   [-0, +2] */
static void push_key(lua_State *L, struct client *c, int fields) {
	if (!signer_push(L, c)) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return;
	}
	/* the host signs, so no key is needed */
	lua_getfield(L, fields, "sign");
	lua_getfield(L, -2, lua_isnil(L, -1) ? "load" : "load_public");
	lua_replace(L, -3);
	lua_pop(L, 1);
	lua_newtable(L);
	static const char *const names[] = { "certificate", "certificate_path",
		                             "key", "key_path", "password" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		lua_getfield(L, fields, names[i]);
		lua_setfield(L, -2, names[i]);
	}
	if (!session_pcall(L, c, 1, 2)) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return;
	}
	lua_pushvalue(L, -2);
	lua_setfield(L, fields, "loaded");
}

/* Calls a method of the key with one argument.  The result is on the top;
   false: the reason is. */
static bool method(lua_State *L, struct client *c, int key, const char *name,
                   const char *argument) {
	lua_getfield(L, key, name);
	lua_pushvalue(L, key);
	lua_pushstring(L, argument);
	if (!session_pcall(L, c, 2, 2) || lua_isnil(L, -2))
		return false;
	lua_pop(L, 1);
	return true;
}

/* Writes the digest on the top to c->id, which is scratch: base64url and a
   NUL. */
static void add_thumbprint(lua_State *L, struct client *c) {
	buf_clear(&c->id);
	base64url(&c->id, string_at(L, -1));
	buf_addc(&c->id, '\0');
}

/* What the caller says of a certificate that is not read, its thumbprint and
   perhaps its chain, is all that the assertion needs. */
static void provide_named(lua_State *L, struct client *c, int fields,
                          bool rs256) {
	const struct link *l = chain_link(&c->core.chain);
	unsigned char digest[SHA256];
	size_t n = rs256 ? SHA1 : SHA256;
	struct span chain = options_string(L, fields, "x5c");
	flow_thumbprint(l->spec.value[SV_THUMBPRINT], digest, n); /* checked */
	lua_pushlstring(L, (const char *)digest, n);
	add_thumbprint(L, c);
	lua_pop(L, 1);
	buf_add(&c->id, chain.p ? chain : SPAN("[]"));
	if (c->id.failed)
		exhaust(c, no_memory);
	else
		give(c, buf_span(&c->id));
}

static void provide_certificate(lua_State *L, int idx, struct client *c,
                                int fields) {
	const struct link *l = chain_link(&c->core.chain);
	bool rs256 = span_eq(l->spec.value[SV_ALGORITHM], SPAN("RS256"));
	struct span chain;
	int key = lua_gettop(L) + 1;
	if (l->spec.value[SV_THUMBPRINT].p) {
		provide_named(L, c, fields, rs256);
		return;
	}
	push_key(L, c, fields);
	if (lua_isnil(L, key)) {
		fail(L, c, "the certificate cannot be used: ", NEED_FAILED);
		return;
	}
	if (!method(L, c, key, "thumbprint", rs256 ? "SHA-1" : "SHA-256")) {
		fail(L, c, "the certificate cannot be used: ", NEED_FAILED);
		return;
	}
	add_thumbprint(L, c);
	lua_getiuservalue(L, idx, CUV_CODEC);
	if (!method(L, c, key, "chain", NULL)) {
		fail(L, c, "the certificate cannot be used: ", NEED_FAILED);
		return;
	}
	json_encode(L, lua_gettop(L) - 1);
	chain = string_at(L, -1);
	buf_add(&c->id, chain);
	if (c->id.failed)
		exhaust(c, no_memory);
	else
		give(c, buf_span(&c->id));
}

/* Reads the fingerprints of the certificate in s->scratch.work, whose peer no
   CA vouches for. */
static void provide_fingerprints(lua_State *L, struct client *c) {
	struct chain *s = &c->core.chain;
	int at = lua_gettop(L) + 1;
	if (!signer_push(L, c)) {
		fail(L, c, "the endpoint's certificate cannot be checked: ",
		     NEED_FAILED);
		return;
	}
	lua_getfield(L, at, "fingerprints");
	push_span(L, buf_span(&s->scratch.work));
	if (!session_pcall(L, c, 1, 2) || lua_type(L, at + 1) != LUA_TSTRING)
		fail(L, c, "the endpoint's certificate cannot be read: ",
		     NEED_FAILED);
	else
		give(c, string_at(L, at + 1));
}

static void provide_signature(lua_State *L, struct client *c, int fields) {
	struct chain *s = &c->core.chain;
	struct span algorithm = chain_link(s)->spec.value[SV_ALGORITHM];
	int at = lua_gettop(L) + 1, arguments = 2;
	if (lua_getfield(L, fields, "sign") == LUA_TNIL) {
		lua_pop(L, 1);
		lua_getfield(L, fields, "loaded");
		lua_getfield(L, -1, "sign");
		lua_insert(L, -2);
		arguments = 3;
	}
	push_span(L, algorithm.n > 0 ? algorithm : SPAN("PS256"));
	push_span(L, buf_span(&s->scratch.work));
	if (!session_pcall(L, c, arguments, 2))
		fail_raised(L, c, "signing failed: ");
	else if (lua_type(L, at) != LUA_TSTRING)
		fail_result(L, c, "signing failed: ");
	else
		give(c, string_at(L, at));
}

/* ---- files -------------------------------------------------------------- */

static bool is_denied(const char *path) {
	return access(path, F_OK) == 0 && access(path, R_OK) != 0;
}

/* A file behind a folder that cannot be searched is not missing. */
static bool is_missing(const char *path) {
	return access(path, F_OK) != 0 && errno == ENOENT;
}

static void provide_file(lua_State *L, struct client *c, bool key_file) {
	struct chain *s = &c->core.chain;
	const char *path = buf_cstr(&s->scratch.work);
	const char *why = NULL;
	buf_clear(&c->id);
	c->id.secret = true;
	if (path)
		why = sys_read(path, key_file ? MAX_KEY_FILE : MAX_FILE,
		               key_file, &c->id);
	if (!path || c->id.failed) {
		exhaust(c, no_memory);
	} else if (why) {
		lua_pushfstring(L, "%s '%s': %s%s",
		                key_file ? "the challenge's file"
		                         : "token_file_path",
		                path, why,
		                key_file && is_denied(path)
		                        ? " (only the group himds may read it)"
		                        : "");
		/* a credential whose token file is missing is not set up */
		fail(L, c, "",
		     !key_file && is_missing(path) ? NEED_ABSENT : NEED_FAILED);
		lua_pop(L, 1);
	} else {
		give(c, buf_span(&c->id));
	}
	buf_clear(&c->id);
}

/* ---- programs ----------------------------------------------------------- */

static int64_t program_timeout(const struct client *c) {
	int64_t timeout = chain_link(&c->core.chain)->spec.timeout;
	return timeout > 0 ? timeout : PROGRAM_TIMEOUT;
}

/* Writes the changes to a program's environment, NULL-terminated. az and azd
   sign in by themselves, so azpec's secrets are removed.  Those of a managed
   identity or a pipeline stay (`az login --identity`, azd's federated login),
   unless another link of the chain uses them. */
static void program_changes(const struct chain *s,
                            const char *out[MAX_CHANGES + 1]) {
	static const char *const always[] = {
		"AZURE_CLIENT_SECRET",      "AZURE_CLIENT_CERTIFICATE_PASSWORD",
		"AZURE_ACCESS_TOKEN",       "AZPEC_TOKEN_KEY",
		"AZURE_CORE_NO_COLOR=true", "AZURE_CORE_ONLY_SHOW_ERRORS=true",
	};
	size_t n = sizeof always / sizeof *always;
	memcpy(out, always, sizeof always);
	for (size_t i = 0; i < s->count; i++) {
		const char *const *secret = s->links[i].spec.flow->secrets;
		while (secret && *secret && n < MAX_CHANGES)
			out[n++] = *secret++;
	}
	out[n] = NULL;
}

/* Lists a program's arguments, each of which a NUL closes in words.  False:
   there are more than MAX_ARGUMENTS, and none may be dropped. */
static bool list_arguments(struct span words, const char **argv) {
	size_t n = 0;
	while (words.n > 0 && n < MAX_ARGUMENTS) {
		argv[n++] = words.p;
		words = span_from(words, span_of(words.p).n + 1);
	}
	argv[n] = NULL;
	return words.n == 0;
}

static void provide_program(lua_State *L, int idx, struct client *c) {
	const struct chain *s = &c->core.chain;
	const char *argv[MAX_ARGUMENTS + 1], *changes[MAX_CHANGES + 1];
	struct process_spec spec = {
		.argv = argv,
		.env = options_environ(),
		.add = changes,
		.timeout_ms = program_timeout(c),
	};
	if (!list_arguments(buf_span(&s->scratch.work), argv)) {
		exhaust(c, "the program has too many arguments");
		return;
	}
	program_changes(s, changes);
	c->child = process_start(&c->mem, c->ps, &spec, sys_now());
	if (!c->child)
		exhaust(c, "not enough memory or descriptors to start a "
		           "program");
	provide_step(L, idx); /* a program that is not found ends at once */
}

static void judge(lua_State *L, int idx, struct client *c,
                  const struct process_result *r, struct now now) {
	struct program_result p = {
		.not_found = r->end == PROCESS_NOT_FOUND,
		.refused = r->end == PROCESS_REFUSED,
		.timed_out = r->end == PROCESS_TIMED_OUT,
		.flooded = r->end == PROCESS_FLOODED,
		.timeout = program_timeout(c),
		.signal = r->end == PROCESS_KILLED ? r->status : 0,
		.status = r->end == PROCESS_EXITED ? r->status : -1,
		.out = buf_span(&r->out),
		.err = buf_span(&r->err),
	};
	struct answer a = { .at = now };
	int top = lua_gettop(L);
	if (r->end == PROCESS_MEMORY || r->out.failed) {
		exhaust(c, no_memory);
		return;
	}
	/* unknown if the host reaps all children itself */
	if (r->end == PROCESS_EXITED && r->status < 0)
		p.status = chain_json(p.out).n > 0 ? 0 : -1;
	lua_getiuservalue(L, idx, CUV_CODEC);
	json_decode(L, top + 1, chain_json(p.out), &a.facts);
	json_read_error(L, -1, &a.facts);
	json_read_program(L, -1, &a.facts);
	chain_program(&c->core.chain, &p, &a);
	lua_settop(L, top);
}

void provide_step(lua_State *L, int idx) {
	struct client *c = client_at(L, idx);
	const struct process_result *r;
	struct now now;
	if (!c->child) {
		/* only a program outlasts provide_start.  Otherwise an error
		   interrupted the call, so the need is provided again */
		if (c->core.chain.scratch.need != NEED_NOTHING)
			scheduler_lost_signin(&c->core);
		return;
	}
	now = sys_now();
	process_step(c->child, now);
	r = process_result(c->child);
	if (!r)
		return;
	judge(L, idx, c, r, now);
	process_free(c->child, false);
	c->child = NULL;
	scheduler_provided(&c->core, now);
}

/* ---- all of them -------------------------------------------------------- */

void provide_start(lua_State *L, int idx) {
	struct client *c = client_at(L, idx);
	struct chain *s = &c->core.chain;
	int top = lua_gettop(L);
	luaL_checkstack(L, 12, "sign-in");
	push_fields(L, idx, s);
	switch (s->scratch.need) {
	case NEED_NOTHING:
		break;
	case NEED_TOKEN:
		provide_token(L, c, top + 1);
		break;
	case NEED_ASSERTION:
		provide_function(L, c, top + 1, "assertion");
		break;
	case NEED_SECRET:
		provide_function(L, c, top + 1, "client_secret");
		break;
	case NEED_CERTIFICATE:
		provide_certificate(L, idx, c, top + 1);
		break;
	case NEED_SIGNATURE:
		provide_signature(L, c, top + 1);
		break;
	case NEED_FILE:
	case NEED_KEY_FILE:
		provide_file(L, c, s->scratch.need == NEED_KEY_FILE);
		break;
	case NEED_PROGRAM:
		provide_program(L, idx, c);
		break;
	case NEED_FINGERPRINTS:
		provide_fingerprints(L, c);
		break;
	case NEED_PROMPT:
		provide_prompt(L, c, top + 1);
		break;
	case NEED_CACHED:
		token_cache_look(L, idx);
		break;
	}
	lua_settop(L, top);
	scheduler_provided(&c->core, sys_now());
}
