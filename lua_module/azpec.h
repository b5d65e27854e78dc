/*
 * azpec.h -- the C interface for programs that embed azpec:
 *
 *     luaL_requiref(L, "azpec", luaopen_azpec, 0);
 *
 * require "cjson" must find lua-cjson; a statically linked host registers both.
 * The module has no global state: any number of Lua states, in any number of
 * threads, may open it.
 */
#ifndef AZPEC_H
#define AZPEC_H

/* The only definitions of the version and of its date. */
#define AZPEC_VERSION "1.0.0"
#define AZPEC_RELEASED "2026-11-30"

/* Without lua.h: C++ programs include that by lua.hpp. */
struct lua_State;

#if defined(__cplusplus)
extern "C" {
#endif

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_azpec(struct lua_State *L);

#if defined(__cplusplus)
}
#endif

#endif
