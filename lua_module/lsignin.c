/* lsignin.c -- the edge of the sign-in: all that it needs and cannot do. */
#include "lsignin.h"

#include <lauxlib.h>
#include <unistd.h>

#include "core/base64.h"
#include "core/flow.h"
#include "json.h"
#include "json_error.h"
#include "sys.h"

enum {
	PROGRAM_TIMEOUT = 10000, /* ms, as the Azure SDKs have it */
	MAX_FILE = 256 * 1024,
	MAX_KEY_FILE = 4096,
	MAX_ARGUMENTS = 16,
};

/* Pushes the fields of the present link's credential.  [-0, +1] */
static void push_fields(lua_State *L, int idx, const struct signin *s) {
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

static void no_memory(struct lclient *c) {
	signin_exhausted(&c->core.signin, "not enough memory for the sign-in",
	                 sys_now());
}

/* The value at the top tells why.  [-0, +0] */
static void fail(lua_State *L, struct lclient *c, const char *what,
                 bool absent) {
	struct span why;
	lua_pushfstring(L, "%s%s", what, lclient_text(L, c).p);
	why.p = lua_tolstring(L, -1, &why.n);
	signin_fail_need(&c->core.signin, why, absent, sys_now());
	lua_pop(L, 1);
}

/* A function that returned something else than a string; nil, why. */
static void fail_result(lua_State *L, struct lclient *c, int idx,
                        const char *what) {
	if (lua_isnil(L, idx + 1))
		lua_pushliteral(L, "it returned no string");
	else
		lua_pushvalue(L, idx + 1);
	fail(L, c, what, false);
	lua_pop(L, 1);
}

static struct span string_at(lua_State *L, int idx) {
	struct span s;
	s.p = lua_tolstring(L, idx, &s.n);
	return s;
}

/* ---- the host's functions ----------------------------------------------- */

/* s since 1970, as a number or in digits; -1: nothing; 0: nonsense. */
static int64_t expiry(lua_State *L, int idx) {
	lua_Number n = lua_tonumber(L, idx);
	if (lua_isnil(L, idx))
		return -1;
	return lua_isnumber(L, idx) && n > 0 && n < 1e12 ? (int64_t)n : 0;
}

/* get(scope, claims) -> token, expires_on */
static void meet_token(lua_State *L, struct lclient *c, int fields) {
	struct signin *s = &c->core.signin;
	int at = lua_gettop(L) + 1;
	lua_getfield(L, fields, "get");
	push_span(L, buf_span(&s->scope));
	push_span(L, buf_span(&s->claims));
	if (!lclient_call(L, c, 2, 2))
		fail(L, c, "the token function failed: ", false);
	else if (lua_type(L, at) != LUA_TSTRING)
		fail_result(L, c, at, "the token function failed: ");
	else
		signin_give(s, string_at(L, at), expiry(L, at + 1), sys_now());
}

/* assertion() -> JWT, client_secret() -> the secret */
static void meet_function(lua_State *L, struct lclient *c, int fields,
                          const char *name) {
	int at = lua_gettop(L) + 2;
	lua_pushfstring(L, "the %s function failed: ", name);
	lua_getfield(L, fields, name);
	if (!lclient_call(L, c, 0, 2))
		fail(L, c, lua_tostring(L, at - 1), false);
	else if (lua_type(L, at) != LUA_TSTRING)
		fail_result(L, c, at, lua_tostring(L, at - 1));
	else
		signin_meet(&c->core.signin, string_at(L, at), sys_now());
}

/* s->scratch.work holds three texts, each closed by a NUL. */
static void set_text(lua_State *L, const char *name, struct span *rest) {
	struct span s = span_of(rest->p);
	lua_pushlstring(L, s.p, s.n);
	lua_setfield(L, -2, name);
	*rest = span_from(*rest, s.n + 1);
}

/* prompt { user_code, verification_uri, message } */
static void meet_prompt(lua_State *L, struct lclient *c, int fields) {
	struct span rest = buf_span(&c->core.signin.scratch.work);
	lua_getfield(L, fields, "prompt");
	lua_createtable(L, 0, 3);
	set_text(L, "user_code", &rest);
	set_text(L, "verification_uri", &rest);
	set_text(L, "message", &rest);
	if (lclient_call(L, c, 1, 0))
		signin_meet(&c->core.signin, SPAN(""), sys_now());
	else
		fail(L, c, "the prompt function failed: ", false);
}

/* ---- certificates ------------------------------------------------------- */

/* Pushes the module azpec_signing; false: why not.  [-0, +1] */
static bool push_signing(lua_State *L, struct lclient *c) {
	lua_getglobal(L, "require");
	lua_pushliteral(L, "azpec_signing");
	if (lclient_call(L, c, 1, 1))
		return true;
	lua_pop(L, 1); /* every place it was looked for */
	lua_pushliteral(L, "azpec_signing.so is not installed (it is built "
	                   "where OpenSSL's headers are: libssl-dev)");
	return false;
}

/* Pushes the certificate's key object, loaded anew for each token since files
   are rotated, or nil and why.
   [-0, +2] */
static void push_key(lua_State *L, struct lclient *c, int fields) {
	if (!push_signing(L, c)) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return;
	}
	/* where the host signs, no key is needed */
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
	if (!lclient_call(L, c, 1, 2)) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return;
	}
	lua_pushvalue(L, -2);
	lua_setfield(L, fields, "loaded");
}

/* Calls the key's method with one argument: what it gives is at the top; false:
   why it gives nothing. */
static bool method(lua_State *L, struct lclient *c, int key, const char *name,
                   const char *argument) {
	lua_getfield(L, key, name);
	lua_pushvalue(L, key);
	lua_pushstring(L, argument);
	if (!lclient_call(L, c, 2, 2) || lua_isnil(L, -2))
		return false;
	lua_pop(L, 1);
	return true;
}

/* The digest at the top, base64url and a NUL, into c->id: scratch. */
static void add_thumbprint(lua_State *L, struct lclient *c) {
	buf_clear(&c->id);
	base64url(&c->id, string_at(L, -1));
	buf_addc(&c->id, '\0');
}

static void meet_certificate(lua_State *L, int idx, struct lclient *c,
                             int fields) {
	const struct link *l = signin_link(&c->core.signin);
	bool rs256 = span_eq(l->spec.value[SV_ALGORITHM], SPAN("RS256"));
	struct span chain;
	int key = lua_gettop(L) + 1;
	push_key(L, c, fields);
	if (lua_isnil(L, key)) {
		fail(L, c, "the certificate cannot be used: ", false);
		return;
	}
	if (!method(L, c, key, "thumbprint", rs256 ? "SHA-1" : "SHA-256")) {
		fail(L, c, "the certificate cannot be used: ", false);
		return;
	}
	add_thumbprint(L, c);
	lua_getiuservalue(L, idx, CUV_CODEC);
	if (!method(L, c, key, "chain", NULL)) {
		fail(L, c, "the certificate cannot be used: ", false);
		return;
	}
	json_encode(L, lua_gettop(L) - 1);
	chain = string_at(L, -1);
	buf_add(&c->id, chain);
	if (c->id.failed)
		no_memory(c);
	else
		signin_meet(&c->core.signin, buf_span(&c->id), sys_now());
}

/* The certificate of a peer that no authority vouches for, in s->scratch.work. */
static void meet_fingerprints(lua_State *L, struct lclient *c) {
	struct signin *s = &c->core.signin;
	int at = lua_gettop(L) + 1;
	if (!push_signing(L, c)) {
		fail(L, c,
		     "the endpoint's certificate cannot be checked: ", false);
		return;
	}
	lua_getfield(L, at, "fingerprints");
	push_span(L, buf_span(&s->scratch.work));
	if (!lclient_call(L, c, 1, 2) || lua_type(L, at + 1) != LUA_TSTRING)
		fail(L, c,
		     "the endpoint's certificate cannot be read: ", false);
	else
		signin_meet(s, string_at(L, at + 1), sys_now());
}

static void meet_signature(lua_State *L, struct lclient *c, int fields) {
	struct signin *s = &c->core.signin;
	struct span algorithm = signin_link(s)->spec.value[SV_ALGORITHM];
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
	if (!lclient_call(L, c, arguments, 2))
		fail(L, c, "signing failed: ", false);
	else if (lua_type(L, at) != LUA_TSTRING)
		fail_result(L, c, at, "signing failed: ");
	else
		signin_meet(s, string_at(L, at), sys_now());
}

/* ---- files -------------------------------------------------------------- */

/* Azure Arc's key files are readable for one group. */
static bool denied(const char *path) {
	return access(path, F_OK) == 0 && access(path, R_OK) != 0;
}

static void meet_file(lua_State *L, struct lclient *c, bool key_file) {
	struct signin *s = &c->core.signin;
	const char *path = buf_cstr(&s->scratch.work);
	const char *why = NULL;
	buf_clear(&c->id);
	c->id.secret = true;
	if (path)
		why = sys_read(path, key_file ? MAX_KEY_FILE : MAX_FILE,
		               key_file, &c->id);
	if (!path || c->id.failed) {
		no_memory(c);
	} else if (why) {
		lua_pushfstring(L, "%s '%s': %s%s",
		                key_file ? "the challenge's file"
		                         : "token_file_path",
		                path, why,
		                key_file && denied(path)
		                        ? " (for the group himds alone)"
		                        : "");
		/* a federated token that is not there is not set up here */
		fail(L, c, "", !key_file && access(path, F_OK) != 0);
		lua_pop(L, 1);
	} else {
		signin_meet(s, buf_span(&c->id), sys_now());
	}
	buf_clear(&c->id);
}

/* ---- programs ----------------------------------------------------------- */

static int64_t program_timeout(const struct lclient *c) {
	int64_t timeout = signin_link(&c->core.signin)->spec.timeout;
	return timeout > 0 ? timeout : PROGRAM_TIMEOUT;
}

/* What is other in a program's environment.  az and azd have sign-ins of their
   own: no secret of ours is theirs.  The header of a managed identity may be
   (`az login --identity`), but not beside a link that asks for that itself. */
static const char *const *program_changes(const struct signin *s) {
	static const char *const changes[] = {
		"IDENTITY_HEADER",
		"MSI_SECRET",
		/* from here on for every program */
		"AZURE_CLIENT_SECRET",
		"AZURE_CLIENT_CERTIFICATE_PASSWORD",
		"AZURE_ACCESS_TOKEN",
		"AZURE_CORE_NO_COLOR=true",
		"AZURE_CORE_ONLY_SHOW_ERRORS=true",
		NULL,
	};
	for (size_t i = 0; i < s->count; i++)
		if (s->links[i].spec.flow->local)
			return changes;
	return changes + 2;
}

static void meet_program(lua_State *L, int idx, struct lclient *c) {
	const struct signin *s = &c->core.signin;
	const char *argv[MAX_ARGUMENTS + 1];
	struct child_spec spec = {
		.argv = argv,
		.env = options_environ(),
		.add = program_changes(s),
		.timeout_ms = program_timeout(c),
	};
	size_t n = 0, at = 0;
	while (at < s->scratch.work.n && n < MAX_ARGUMENTS) {
		argv[n] = s->scratch.work.p + at;
		at += span_of(argv[n++]).n + 1;
	}
	argv[n] = NULL;
	c->child = child_start(&c->mem, c->ps, &spec, sys_now());
	if (!c->child)
		signin_exhausted(&c->core.signin,
		                 "not enough memory or descriptors to start a "
		                 "program",
		                 sys_now());
	lsignin_step(L, idx); /* one that is not there is known at once */
}

static void judge(lua_State *L, int idx, struct lclient *c,
                  const struct child_result *r) {
	struct program_result p = {
		.not_found = r->end == CHILD_NOT_FOUND,
		.refused = r->end == CHILD_REFUSED,
		.timed_out = r->end == CHILD_TIMED_OUT,
		.flooded = r->end == CHILD_FLOODED,
		.timeout = program_timeout(c),
		.signal = r->end == CHILD_KILLED ? r->status : 0,
		.status = r->end == CHILD_EXITED ? r->status : -1,
		.out = buf_span(&r->out),
		.err = buf_span(&r->err),
	};
	struct answer a = { .at = sys_now() };
	int top = lua_gettop(L);
	if (r->end == CHILD_MEMORY || r->out.failed) {
		no_memory(c);
		return;
	}
	/* where the host reaps all children itself nobody knows the status */
	if (r->end == CHILD_EXITED && r->status < 0)
		p.status = signin_json(p.out).n > 0 ? 0 : -1;
	p.not_found = p.not_found || p.status == 127;
	lua_getiuservalue(L, idx, CUV_CODEC);
	json_decode(L, top + 1, signin_json(p.out), &a.facts);
	json_read_error(L, -1, &a.facts);
	json_read_token(L, -1, &a.facts);
	signin_program(&c->core.signin, &p, &a);
	lua_settop(L, top);
}

void lsignin_step(lua_State *L, int idx) {
	struct lclient *c = lclient_at(L, idx);
	const struct child_result *r;
	if (!c->child) {
		/* only a program takes longer than lsignin_meet: an error cut
		   short what met this, so it is asked for anew */
		if (c->core.signin.scratch.need != NEED_NOTHING)
			client_lost_signin(&c->core);
		return;
	}
	child_step(c->child, sys_now());
	r = child_result(c->child);
	if (!r)
		return;
	judge(L, idx, c, r);
	child_end(c->child, false);
	c->child = NULL;
	client_signed(&c->core, sys_now());
}

/* ---- all of them -------------------------------------------------------- */

void lsignin_meet(lua_State *L, int idx) {
	struct lclient *c = lclient_at(L, idx);
	struct signin *s = &c->core.signin;
	int top = lua_gettop(L);
	luaL_checkstack(L, 12, "sign-in");
	push_fields(L, idx, s);
	switch (s->scratch.need) {
	case NEED_NOTHING:
		break;
	case NEED_TOKEN:
		meet_token(L, c, top + 1);
		break;
	case NEED_ASSERTION:
		meet_function(L, c, top + 1, "assertion");
		break;
	case NEED_SECRET:
		meet_function(L, c, top + 1, "client_secret");
		break;
	case NEED_CERTIFICATE:
		meet_certificate(L, idx, c, top + 1);
		break;
	case NEED_SIGNATURE:
		meet_signature(L, c, top + 1);
		break;
	case NEED_FILE:
	case NEED_KEY_FILE:
		meet_file(L, c, s->scratch.need == NEED_KEY_FILE);
		break;
	case NEED_PROGRAM:
		meet_program(L, idx, c);
		break;
	case NEED_FINGERPRINTS:
		meet_fingerprints(L, c);
		break;
	case NEED_PROMPT:
		meet_prompt(L, c, top + 1);
		break;
	}
	lua_settop(L, top);
	client_signed(&c->core, sys_now());
}
