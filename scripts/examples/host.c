/*
 * host.c -- a C program with a poll loop of its own, in which a client of azpec
 * is a guest: cc host.c $(pkg-config --cflags --libs azpec lua5.4)
 *
 * approvals.lua, in the current folder, begins operations with a client and
 * returns that client.  `on_event` gets the outcome of each operation:
 *
 *     local client = require "azpec".client { on_event = function (event)
 *       if event.event == "end" then
 *         print(event.id, event.message or "done")
 *       end
 *     end }
 *     for id in io.lines "ids" do
 *       client:begin_ensure { id = id, status = "Approved" }
 *     end
 *     return client
 *
 * The program watches the client's descriptor for reading, and calls `step`
 * when it is readable.  With epoll that is one EPOLLIN, with libuv one
 * uv_poll_t.
 */
#include <azpec.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <stdio.h>

/* Calls a method of the client, which is at the bottom of the stack. */
static void call(lua_State *L, const char *method) {
	lua_getfield(L, 1, method);
	lua_pushvalue(L, 1);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK)
		fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
}

int main(void) {
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN },
		                { .events = POLLIN } };
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	luaL_requiref(L, "azpec", luaopen_azpec, 0);
	lua_settop(L, 0);
	if (luaL_dofile(L, "approvals.lua") != LUA_OK)
		return fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL)), 1;
	call(L, "pollfd");
	fds[1].fd = (int)lua_tointeger(L, -1);
	/* until standard input has something */
	while (poll(fds, 2, -1) > 0 && fds[0].revents == 0) {
		call(L, "step");
		lua_settop(L, 1);
	}
	lua_close(L);
	return 0;
}
