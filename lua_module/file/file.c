/*
 * file.c -- azpec_file: opening, examining and locking files in ways that Lua's
 * io library does not offer. scripts/azpec/file.lua makes the decisions; this
 * file makes the system calls.  Handles are those of the io library.  Failures
 * return what io.open returns: nil, a message that names the file, and errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* ---- handles ------------------------------------------------------------ */

enum { PAUSE_MS = 20 }; /* between two tries to open */

struct way {
	const char *name;
	int flags;
	const char *mode; /* the mode of fdopen */
};

/* O_NONBLOCK: a pipe without a peer opens at once, or fails with ENXIO; facts()
   of the handle may then lead to its refusal.  No terminal becomes the
   controlling terminal.  "read" and "stream" follow links, because /dev/stdin
   and /dev/stdout are links. */
static const struct way ways[] = {
	{ "create", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, "w" },
	{ "append", O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK,
	  "a+" },
	{ "read", O_RDONLY | O_NONBLOCK, "r" },
	{ "device", O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK, "a" },
	{ "stream", O_WRONLY | O_APPEND | O_NONBLOCK, "a" },
	{ NULL, 0, NULL },
};

static const struct way *check_way(lua_State *L, int arg) {
	const char *name = luaL_checkstring(L, arg);
	for (const struct way *w = ways; w->name; w++)
		if (strcmp(w->name, name) == 0)
			return w;
	luaL_argerror(L, arg, "no way to open a file");
	return NULL;
}

static int close_handle(lua_State *L) {
	luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
	return luaL_fileresult(L, fclose(s->f) == 0, NULL);
}

/* Moves a descriptor above 2: where a standard stream is closed, open(2)
   returns its number, and what is written to that stream would get into the
   file. */
static int move_up(int fd) {
	int up, why;
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	why = errno;
	close(fd);
	errno = why;
	return up;
}

/* Makes a stream of a descriptor, and closes the descriptor on failure. */
static FILE *stream_of(int fd, const char *mode) {
	FILE *f = fd < 0 ? NULL : fdopen(fd, mode);
	int why = errno;
	if (fd >= 0 && f == NULL)
		close(fd);
	errno = why;
	return f;
}

/* Checks a time in seconds, up to a day.  Returns milliseconds. */
static int check_time(lua_State *L, int arg) {
	enum { DAY = 24 * 60 * 60 };
	lua_Number seconds = luaL_checknumber(L, arg);
	luaL_argcheck(L, seconds >= 0 && seconds <= DAY, arg,
	              "from 0 to 86400 seconds expected");
	return (int)(seconds * 1000);
}

/* Opens a pipe when somebody has opened it to read: until then, ENXIO. */
static int open_within(const char *path, int flags, int ms) {
	int fd = open(path, flags, 0600);
	for (; fd < 0 && errno == ENXIO && ms > 0; ms -= PAUSE_MS)
		fd = poll(NULL, 0, PAUSE_MS) ? -1 : open(path, flags, 0600);
	return fd;
}

/* open(path, way[, seconds]): waits so long for a pipe's reader */
static int l_open(lua_State *L) {
	const char *path = luaL_checkstring(L, 1);
	const struct way *way = check_way(L, 2);
	int ms = lua_isnoneornil(L, 3) ? 0 : check_time(L, 3);
	luaL_Stream *s = lua_newuserdatauv(L, sizeof(*s), 0);
	int fd;
	s->closef = NULL; /* closed until it is open */
	luaL_setmetatable(L, LUA_FILEHANDLE);
	fd = open_within(path, way->flags | O_CLOEXEC | O_NOCTTY, ms);
	s->f = stream_of(move_up(fd), way->mode);
	if (s->f == NULL)
		return luaL_fileresult(L, 0, path);
	s->closef = close_handle;
	return 1;
}

static FILE *check_handle(lua_State *L, int arg) {
	luaL_Stream *s = luaL_checkudata(L, arg, LUA_FILEHANDLE);
	luaL_argcheck(L, s->closef != NULL, arg, "a closed file");
	return s->f;
}

/* ---- pipes and devices -------------------------------------------------- */

/* Whether somebody has a pipe without data open to write to it. */
static bool has_writer(FILE *f) {
	int c = fgetc(f);
	bool has = c != EOF || !feof(f);
	if (c != EOF)
		(void)ungetc(c, f);
	clearerr(f);
	return has;
}

/* await(handle, seconds): waits until data can be read, or the end, or somebody
   has the pipe open to write to it.  A person at a terminal may take longer.
   True; false if there is nobody; or what io.open returns. */
static int l_await(lua_State *L) {
	FILE *f = check_handle(L, 1);
	struct pollfd p = { .fd = fileno(f), .events = POLLIN };
	int ms = check_time(L, 2);
	int n = isatty(p.fd) ? 1 : poll(&p, 1, ms);
	if (n < 0)
		return luaL_fileresult(L, 0, NULL);
	lua_pushboolean(L, n > 0 || has_writer(f));
	return 1;
}

/* block(handle): reads and writes wait from now on. */
static int l_block(lua_State *L) {
	int fd = fileno(check_handle(L, 1)), flags = fcntl(fd, F_GETFL);
	bool done = flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
	return luaL_fileresult(L, done, NULL);
}

/* ---- what a file is ----------------------------------------------------- */

static const char *kind_of(mode_t mode) {
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "named pipe";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "char device";
	case S_IFBLK:
		return "block device";
	default:
		return "other";
	}
}

/* facts(path) or facts(handle): a table; for a link, of the link itself */
static int l_facts(lua_State *L) {
	const char *path = lua_tostring(L, 1);
	struct stat st;
	if ((path ? lstat(path, &st) : fstat(fileno(check_handle(L, 1)), &st)))
		return luaL_fileresult(L, 0, path);
	lua_createtable(L, 0, 8);
	lua_pushstring(L, kind_of(st.st_mode));
	lua_setfield(L, -2, "kind");
	lua_pushfstring(L, "%I:%I", (LUAI_UACINT)st.st_dev,
	                (LUAI_UACINT)st.st_ino);
	lua_setfield(L, -2, "inode");
	lua_pushinteger(L, (lua_Integer)st.st_size);
	lua_setfield(L, -2, "size");
	lua_pushinteger(L, (lua_Integer)st.st_nlink);
	lua_setfield(L, -2, "links");
	lua_pushinteger(L, (lua_Integer)st.st_uid);
	lua_setfield(L, -2, "uid");
	lua_pushboolean(L, st.st_uid == geteuid());
	lua_setfield(L, -2, "is_own");
	lua_pushboolean(L, (st.st_mode & S_IWOTH) != 0);
	lua_setfield(L, -2, "is_open_to_all");
	lua_pushboolean(L, (st.st_mode & S_IWGRP) != 0);
	lua_setfield(L, -2, "is_open_to_group");
	return 1;
}

/* ---- the disk, and locks ------------------------------------------------ */

/* sync(handle): writes the data to the disk, if the file system supports it
   (EINVAL, fsync(2)). */
static int l_sync(lua_State *L) {
	FILE *f = check_handle(L, 1);
	bool done =
		fflush(f) == 0 && (fsync(fileno(f)) == 0 || errno == EINVAL);
	return luaL_fileresult(L, done, NULL);
}

/* flush(handle): writes the data to the file's server.  A network file system
   reports an exceeded quota only when a descriptor is closed; closing a
   duplicate is enough (close(2)).  Without a free descriptor (EMFILE) this
   check is left out, because the data was written. */
static int l_flush(lua_State *L) {
	FILE *f = check_handle(L, 1);
	bool done = fflush(f) == 0;
	int fd = done ? fcntl(fileno(f), F_DUPFD_CLOEXEC, 3) : -1;
	if (fd >= 0)
		done = close(fd) == 0;
	else if (done)
		done = errno == EMFILE;
	return luaL_fileresult(L, done, NULL);
}

/* Uses an open file description lock (fcntl(2)): it also works between threads,
   and ends when the handle is closed.  A kernel without it (EINVAL, Linux
   before 3.15) gets a POSIX record lock.  That belongs to the process, and ends
   when any descriptor of the file is closed. */
static bool set_lock(int fd, struct flock *lock) {
#ifdef F_OFD_SETLK
	if (fcntl(fd, F_OFD_SETLK, lock) == 0)
		return true;
	if (errno != EINVAL)
		return false;
#endif
	return fcntl(fd, F_SETLK, lock) == 0;
}

/* lock(handle, "read" | "write" | "flock"): true; or nil, a message, errno, and
   whether another handle holds the lock.  It is an advisory lock of the whole
   file.  "flock" is the exclusive lock of flock(2), which flock(1) takes too.
   On a local file system it is independent of the other two. */
static int l_lock(lua_State *L) {
	static const char *const kinds[] = { "read", "write", "flock", NULL };
	enum { READ, WRITE, FLOCK };
	FILE *f = check_handle(L, 1);
	int n, kind = luaL_checkoption(L, 2, NULL, kinds), fd = fileno(f);
	struct flock lock = { .l_whence = SEEK_SET };
	bool done, held;
	lock.l_type = kind == READ ? F_RDLCK : F_WRLCK;
	done = kind == FLOCK ? flock(fd, LOCK_EX | LOCK_NB) == 0
	                     : set_lock(fd, &lock);
	held = !done && (errno == EAGAIN || errno == EACCES);
	n = luaL_fileresult(L, done, NULL);
	lua_pushboolean(L, held);
	return n + 1;
}

/* discard_input(handle): discards what was typed at a terminal but not read. */
static int l_discard_input(lua_State *L) {
	FILE *f = check_handle(L, 1);
	return luaL_fileresult(L, tcflush(fileno(f), TCIFLUSH) == 0, NULL);
}

/* is_in_background(handle): whether another group of processes than this one's
   has the terminal, as where a shell runs this one as a background job. */
static int l_is_in_background(lua_State *L) {
	FILE *f = check_handle(L, 1);
	pid_t group = tcgetpgrp(fileno(f));
	lua_pushboolean(L, group > 0 && group != getpgrp());
	return 1;
}

/* A write beyond the process's file size limit then fails with EFBIG, instead
   of killing the process by SIGXFSZ (setrlimit(2)).  The setting is
   process-wide, so it suits a command, not a library. */
static int l_outlive_size_limit(lua_State *L) {
	(void)L;
	(void)signal(SIGXFSZ, SIG_IGN);
	return 0;
}

/* ---- the module --------------------------------------------------------- */

static const luaL_Reg functions[] = {
	{ "open", l_open },
	{ "await", l_await },
	{ "block", l_block },
	{ "facts", l_facts },
	{ "sync", l_sync },
	{ "flush", l_flush },
	{ "lock", l_lock },
	{ "discard_input", l_discard_input },
	{ "is_in_background", l_is_in_background },
	{ "outlive_size_limit", l_outlive_size_limit },
	{ NULL, NULL },
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_azpec_file(lua_State *L);

int luaopen_azpec_file(lua_State *L) {
	luaL_checkversion(L);
	luaL_newlib(L, functions);
	return 1;
}
