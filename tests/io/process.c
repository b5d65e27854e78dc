/* process.c -- programs that are started: what they are given, what they print,
 * and every way they end or do not.  The programs are scripts in a directory
 * of their own, on a PATH of their own. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/process.h"
#include "io/sys.h"

/* Idles without using the processor. */
#define HANG "exec tail -f /dev/null\n"
/* ... and outlives SIGTERM. */
#define STUBBORN "trap '' TERM; exec tail -f /dev/null\n"

/* ms: a step that takes longer waits for the program. */
enum { STUCK = 30000 };

static struct {
	struct pollset_pool pool;
	struct pollset *ps;
	char dir[160], path[256];
	char *env[6];
	int descriptors; /* open before the test */
	int turns;       /* of the loop in the last run */
	int64_t slowest; /* step in ms */
} t;

/* ---- before and after each test ----------------------------------------- */

static bool is_open(int fd) {
	return fcntl(fd, F_GETFD) >= 0;
}

static int count_descriptors(void) {
	int n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += is_open(fd);
	return n;
}

static bool open_set(void) {
	pollset_pool_init(&t.pool, test_mem());
	t.ps = pollset_take(&t.pool);
	return t.ps != NULL;
}

static void close_set(void) {
	pollset_give(&t.pool, t.ps, false);
	pollset_pool_close(&t.pool);
}

static int begin(void **state) {
	static const char xs[] = { 'X', 'X', 'X', 'X', 'X', 'X' };
	test_begin(state);
	memset(&t, 0, sizeof t);
	t.descriptors = count_descriptors();
	snprintf(t.dir, sizeof t.dir, "%s/azpec-child-%.6s",
	         getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", xs);
	assert_non_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof t.path, "PATH=%s:/usr/bin:/bin", t.dir);
	t.env[0] = t.path;
	assert_true(open_set());
	return 0;
}

static int end(void **state) {
	char command[256];
	close_set();
	snprintf(command, sizeof command, "rm -r %s", t.dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_descriptors(), t.descriptors);
	return test_end(state);
}

#undef TEST
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* ---- programs ----------------------------------------------------------- */

static const char *in_dir(const char *name) {
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", t.dir, name);
	return path;
}

static void put_file(const char *name, const char *text, mode_t mode) {
	FILE *f = fopen(in_dir(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(in_dir(name), mode), 0);
}

static void put_script(const char *name, const char *body) {
	char text[4096];
	snprintf(text, sizeof text, "#!/bin/sh\n%s", body);
	put_file(name, text, 0755);
}

static struct process *start_with(const char *const *argv,
                                  const char *const *add, int64_t timeout_ms) {
	const struct process_spec spec = {
		.argv = argv, .env = t.env, .add = add, .timeout_ms = timeout_ms
	};
	return process_start(test_mem(), t.ps, &spec, sys_now());
}

static struct process *start(const char *name, int64_t timeout_ms) {
	const char *argv[] = { name, NULL };
	struct process *c = start_with(argv, NULL, timeout_ms);
	assert_non_null(c);
	return c;
}

static struct process *start_script(const char *body, int64_t timeout_ms) {
	put_script("program", body);
	return start("program", timeout_ms);
}

static void step(struct process *c) {
	int64_t before = sys_now().mono, took;
	process_step(c, sys_now());
	took = sys_now().mono - before;
	if (took > t.slowest)
		t.slowest = took;
}

/* As a host does it: sleeps on the one descriptor, with its timer. */
static void turn(struct process *const *children, int n) {
	struct pollset_event e[POLLSET_MAX];
	int64_t due = NEVER;
	for (int i = 0; i < n; i++)
		if (process_due(children[i]) < due)
			due = process_due(children[i]);
	pollset_due(t.ps, due);
	pollset_wait(t.ps, STUCK);
	pollset_ready(t.ps, e, POLLSET_MAX);
	for (int i = 0; i < n; i++)
		step(children[i]);
	t.turns++;
}

static const struct process_result *run(struct process *c) {
	t.turns = 0;
	while (process_result(c) == NULL)
		turn(&c, 1);
	assert_true(process_due(c) == NEVER);
	assert_true(t.slowest < STUCK); /* it never waited for a program */
	return process_result(c);
}

static void expect_end(const struct process_result *r, enum process_end end,
                       int status) {
	if (r->end != end || r->status != status)
		FAIL("end %d, status %d; not %d, %d; err: %.*s", r->end,
		     r->status, end, status, (int)r->err.n, r->err.p);
}

/* Starts it, lets it run, and looks at how it ended. */
static struct process *ends(const char *body, int64_t timeout_ms,
                            enum process_end end, int status) {
	struct process *c = start_script(body, timeout_ms);
	expect_end(run(c), end, status);
	return c;
}

static struct span out_of(const struct process *c) {
	return buf_span(&process_result(c)->out);
}

static struct span err_of(const struct process *c) {
	return buf_span(&process_result(c)->err);
}

static void prints(const char *body, const char *text) {
	struct process *c = ends(body, 30000, PROCESS_EXITED, 0);
	assert_span(out_of(c), text);
	process_free(c, false);
}

/* A number that the program printed. */
static pid_t pid_in(struct span s) {
	int64_t n = 0;
	assert_true(span_uint(span_trim(s), &n));
	return (pid_t)n;
}

/* Runs: nobody may ever collect what has lost its parent, so a zombie counts
   as gone. */
static bool lives(pid_t pid) {
	char path[64], text[512] = "";
	const char *state;
	FILE *f;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	state = strrchr(text, ')');
	return state != NULL && state[2] != 'Z' && state[2] != 'X';
}

static bool under_valgrind(void) {
	const char *tool = getenv("TEST_UNDER");
	return tool != NULL && strcmp(tool, "valgrind") == 0;
}

/* ---- what it is given --------------------------------------------------- */

static void test_arguments_arrive_as_they_are(void **state) {
	static const char *const argv[] = { "program",  "a b", "",  "$(id)",
		                            "`id`;'\"", "*\n", NULL };
	struct process *c;
	(void)state;
	put_script("program", "printf '[%s]' \"$@\"");
	c = start_with(argv, NULL, 30000);
	expect_end(run(c), PROCESS_EXITED, 0);
	assert_span(out_of(c), "[a b][][$(id)][`id`;'\"][*\n]");
	process_free(c, false);
}

static void test_the_environment_is_inherited_and_added_to(void **state) {
	static const char *const argv[] = { "program", NULL };
	static const char *const add[] = { "OURS=new", "MORE=x=y", "AWAY",
		                           NULL };
	struct process *c;
	(void)state;
	put_script("program",
	           "echo \"$THEIRS|$OURS|$MORE|$(env | grep -c OURS)|"
	           "$(env | grep AWAY)\"");
	t.env[1] = (char[]){ "THEIRS=1" };
	t.env[2] = (char[]){ "OURS=old" };
	t.env[3] = (char[]){ "AWAY=secret" };
	t.env[4] = (char[]){ "AWAYS=stays" };
	c = start_with(argv, add, 30000);
	expect_end(run(c), PROCESS_EXITED, 0);
	assert_span(out_of(c), "1|new|x=y|1|AWAYS=stays\n");
	process_free(c, false);
}

static void test_a_program_inherits_nothing_of_the_host(void **state) {
	sigset_t usr1;
	int fd = open("/dev/null", O_RDONLY); /* not close-on-exec */
	char script[256];
	(void)state;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGPIPE, SIG_IGN);
	snprintf(
		script, sizeof script,
		"pwd; wc -c; [ -e /proc/$$/fd/%d ] && echo open\n"
		"sed -nE 's/^(Sig(Blk|Ign)).*(.{7})/\\1 \\3/p' "
		"/proc/self/status\n"
		"(: </dev/tty) 2>/dev/null && echo terminal\n"
		"read -r pid name state parent group session x </proc/$$/stat\n"
		"echo $((group == $$)) $((session == $$))",
		fd);
	prints(script, "/\n0\nSigBlk 0000000\nSigIgn 0000000\n1 1\n");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	close(fd);
}

/* ---- where it is found -------------------------------------------------- */

static void test_a_program_that_is_not_there(void **state) {
	struct process *c = start("azpec-no-such-program", 30000);
	(void)state;
	assert_non_null(process_result(c)); /* at once */
	expect_end(process_result(c), PROCESS_NOT_FOUND, ENOENT);
	assert_true(process_due(c) == NEVER);
	step(c);
	process_free(c, false);
	c = start("/azpec/no/such/program", 30000);
	expect_end(process_result(c), PROCESS_NOT_FOUND, ENOENT);
	process_free(c, false);
}

static void test_a_program_that_cannot_be_run(void **state) {
	struct process *c;
	(void)state;
	put_file("plain", "#!/bin/sh\n", 0644);
	c = start("plain", 30000);
	expect_end(process_result(c), PROCESS_REFUSED, EACCES);
	process_free(c, false);
	mkdir(in_dir("folder"), 0755);
	c = start("folder", 30000);
	if (!under_valgrind()) /* which forks, and so nobody learns why */
		expect_end(process_result(c), PROCESS_REFUSED, EACCES);
	process_free(c, false);
}

/* As where there was no memory for its name. */
static void test_a_program_without_a_name(void **state) {
	static const char *const argv[] = { NULL };
	struct process *c = start_with(argv, NULL, 30000);
	(void)state;
	expect_end(process_result(c), PROCESS_REFUSED, EINVAL);
	process_free(c, false);
}

static void test_the_search_skips_what_cannot_be_executed(void **state) {
	char path[400];
	(void)state;
	mkdir(in_dir("second"), 0755);
	put_file("program", "#!/bin/sh\necho first", 0644);
	put_script("second/program", "echo second");
	snprintf(path, sizeof path, "PATH=/nowhere:%s::/dev/null:%s/second/",
	         t.dir, t.dir);
	t.env[0] = path;
	struct process *c = start("program", 30000);
	expect_end(run(c), PROCESS_EXITED, 0);
	assert_span(out_of(c), "second\n");
	process_free(c, false);
}

static void test_no_local_file_is_taken_for_the_program(void **state) {
	char *const paths[] = { (char[]){ "PATH=." }, (char[]){ "PATH=:" },
		                (char[]){ "PATH=" },
		                (char[]){ "PATH=bin:./:" } };
	char *here = getcwd(NULL, 0);
	(void)state;
	put_script("program", "echo local");
	mkdir(in_dir("bin"), 0755);
	put_script("bin/program", "echo local");
	assert_int_equal(chdir(t.dir), 0);
	for (size_t i = 0; i < COUNT(paths); i++) {
		t.env[0] = paths[i];
		struct process *c = start("program", 30000);
		expect_end(process_result(c), PROCESS_NOT_FOUND, ENOENT);
		process_free(c, false);
	}
	assert_int_equal(chdir(here), 0);
	free(here);
}

static void test_without_a_path_the_usual_one_is_meant(void **state) {
	struct process *c;
	(void)state;
	t.env[0] = NULL;
	c = start("env", 30000);
	expect_end(run(c), PROCESS_EXITED, 0);
	assert_span(out_of(c), "PATH=/usr/local/bin:/usr/bin:/bin\n");
	process_free(c, false);
}

/* ---- how it ends -------------------------------------------------------- */

static void test_the_exit_status_and_both_streams(void **state) {
	struct process *c =
		ends("echo WARNING: old >&2; echo token; echo more >&2\n"
	             "exit 3",
	             30000, PROCESS_EXITED, 3);
	(void)state;
	assert_span(out_of(c), "token\n");
	assert_span(err_of(c), "WARNING: old\nmore\n");
	assert_true(t.turns < 100);
	process_free(c, false);
}

static void test_a_program_may_end_or_close_its_output_first(void **state) {
	struct process *c;
	(void)state;
	put_script("program", "");
	c = start("true", 30000);
	expect_end(run(c), PROCESS_EXITED, 0);
	assert_span(out_of(c), "");
	process_free(c, false);
	c = ends("echo x; exec >&- 2>&-; kill -9 $$", 30000, PROCESS_KILLED, 9);
	assert_span(out_of(c), "x\n");
	process_free(c, false);
}

static void test_a_hanging_program_is_ended(void **state) {
	struct process *c = ends("echo $$; echo busy >&2\n" HANG, 1000,
	                         PROCESS_TIMED_OUT, 0);
	(void)state;
	assert_span(err_of(c), "busy\n");
	assert_false(lives(pid_in(out_of(c))));
	assert_true(t.turns < 100); /* and the loop did not spin */
	process_free(c, false);
}

static void test_a_hanging_program_without_output_is_ended(void **state) {
	(void)state;
	process_free(
		ends("exec >/dev/null 2>&1\n" HANG, 1000, PROCESS_TIMED_OUT, 0),
		false);
	assert_true(t.turns < 100);
}

static void test_a_program_that_ignores_sigterm_is_killed(void **state) {
	struct process *c = ends("trap '' TERM; echo $$\n" HANG, 1000,
	                         PROCESS_TIMED_OUT, 0);
	(void)state;
	assert_false(lives(pid_in(out_of(c))));
	assert_true(t.turns < 100);
	process_free(c, false);
}

/* The program itself obeys; what it started would not. */
static void test_grandchildren_of_a_killed_program_are_killed(void **state) {
	struct process *c =
		ends("(trap '' TERM; exec tail -f /dev/null) & echo $!\n"
	             "wait",
	             1000, PROCESS_TIMED_OUT, 0);
	pid_t hidden = pid_in(out_of(c));
	(void)state;
	for (int i = 0; i < STUCK && lives(hidden); i++)
		poll(NULL, 0, 1);
	assert_false(lives(hidden));
	process_free(c, false);
}

static void test_a_grandchild_does_not_delay_the_result(void **state) {
	int64_t before = sys_now().mono, took;
	struct process *c =
		ends("tail -f /dev/null & echo $!", 30000, PROCESS_EXITED, 0);
	pid_t left = pid_in(out_of(c));
	(void)state;
	took = sys_now().mono - before;
	assert_true(took >= 100);
	assert_true(t.turns < 100);
	assert_true(lives(left)); /* and it is not ours to kill */
	process_free(c, false);
	assert_true(lives(left));
	kill(left, SIGKILL);
}

/* Time stands still: the program's end is long past before it is late. */
static void test_late_output_of_a_grandchild_is_read(void **state) {
	struct process *c;
	struct now then = sys_now();
	int go;
	(void)state;
	put_script("program",
	           "(read -r x <\"$0.go\"; echo $x) & echo soon >&2");
	assert_int_equal(mkfifo(in_dir("program.go"), 0600), 0);
	c = start("program", 30000);
	go = open(in_dir("program.go"), O_WRONLY); /* when it is read */
	for (int i = 0; i < 20; i++) {
		pollset_wait(t.ps, 10);
		process_step(c, then);
	}
	assert_null(process_result(c));
	assert_int_equal(write(go, "late\n", 5), 5);
	close(go);
	while (process_result(c) == NULL) {
		pollset_wait(t.ps, STUCK);
		process_step(c, then);
	}
	assert_span(out_of(c), "late\n");
	assert_span(err_of(c), "soon\n");
	process_free(c, false);
}

/* ---- too much ----------------------------------------------------------- */

static void test_a_whole_quarter_of_a_megabyte_is_read(void **state) {
	struct process *c =
		ends("head -c 262144 /dev/zero", 30000, PROCESS_EXITED, 0);
	(void)state;
	assert_int_equal(out_of(c).n, 262144);
	process_free(c, false);
	c = ends("trap '' PIPE; head -c 262145 /dev/zero", 30000,
	         PROCESS_FLOODED, 0);
	process_free(c, false);
}

static void test_an_endless_flood_is_stopped(void **state) {
	(void)state;
	process_free(ends("yes", 30000, PROCESS_FLOODED, 0), false);
	assert_true(test_memory.peak < 1024 * 1024);
	process_free(ends("exec yes >&2", 30000, PROCESS_FLOODED, 0), false);
	process_free(ends("trap '' PIPE TERM; while :; do echo x; done", 30000,
	                  PROCESS_FLOODED, 0),
	             false);
}

static void test_many_warnings_are_cut_and_do_no_harm(void **state) {
	struct process *c =
		ends("echo first >&2; head -c 100000 /dev/zero >&2\n"
	             "echo token",
	             30000, PROCESS_EXITED, 0);
	(void)state;
	assert_span(out_of(c), "token\n");
	assert_int_equal(err_of(c).n, 16 * 1024);
	assert_memory_equal(err_of(c).p, "first\n", 6);
	process_free(c, false);
}

/* ---- secrets, memory, descriptors --------------------------------------- */

static void test_output_is_overwritten_after_use(void **state) {
	(void)state;
	test_mem_secret("very-secret-token");
	process_free(ends("head -c 9000 /dev/zero; echo very-secret-token\n"
	                  "echo very-secret-token >&2; head -c 9000 /dev/zero",
	                  30000, PROCESS_EXITED, 0),
	             false);
}

static void each_failure_body(void) {
	static const char *const argv[] = { "program", NULL };
	static const char *const add[] = { "A=b", NULL };
	struct process *c;
	if (!open_set()) {
		pollset_pool_close(&t.pool);
		return;
	}
	c = start_with(argv, add, 30000);
	if (c != NULL) {
		const struct process_result *r = run(c);
		if (test_memory.failures > 0 && r->end != PROCESS_MEMORY &&
		    r->end != PROCESS_REFUSED && r->end != PROCESS_EXITED)
			FAIL("end %d", r->end);
		process_free(c, false);
	}
	close_set();
}

static void test_memory_may_run_out_anywhere(void **state) {
	(void)state;
	close_set();
	put_script("program", "echo token; echo warning >&2");
	test_each_failure(each_failure_body);
	assert_true(open_set());
}

/* Leaves room for so many more descriptors. */
static struct rlimit leave_free(int n) {
	struct rlimit old, new;
	int fd = 0;
	getrlimit(RLIMIT_NOFILE, &old);
	new = old;
	for (; n > 0 || is_open(fd); fd++)
		n -= !is_open(fd);
	new.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &new), 0);
	return old;
}

static void test_descriptors_may_run_out(void **state) {
	static const char *const argv[] = { "/bin/echo", "token", NULL };
	(void)state;
	for (int n = 0; n < 4; n++) {
		struct rlimit old = leave_free(n);
		assert_null(start_with(argv, NULL, 30000));
		setrlimit(RLIMIT_NOFILE, &old);
	}
}

/* Room for the pipes only: as on a kernel that has no pidfd. */
static void test_a_program_is_checked_without_a_pidfd(void **state) {
	static const char *const hang[] = { "/usr/bin/tail", "-f", "/dev/null",
		                            NULL };
	static const char *const echo[] = { "/bin/echo", "token", NULL };
	struct rlimit old = leave_free(4);
	struct process *c = start_with(echo, NULL, 30000);
	(void)state;
	setrlimit(RLIMIT_NOFILE, &old);
	assert_non_null(c);
	assert_true(process_due(c) < sys_now().mono + 1000);
	expect_end(run(c), PROCESS_EXITED, 0);
	assert_span(out_of(c), "token\n");
	process_free(c, false);
	old = leave_free(4);
	c = start_with(hang, NULL, 500);
	setrlimit(RLIMIT_NOFILE, &old);
	expect_end(run(c), PROCESS_TIMED_OUT, 0);
	assert_true(t.turns < 100);
	process_free(c, false);
	old = leave_free(4);
	c = start_with(hang, NULL, 30000);
	setrlimit(RLIMIT_NOFILE, &old);
	process_free(c, false);
}

/* ---- hosts -------------------------------------------------------------- */

static void test_a_host_that_ignores_sigchld(void **state) {
	struct process *c;
	(void)state;
	signal(SIGCHLD, SIG_IGN);
	c = ends("echo token; exit 3", 30000, PROCESS_EXITED, -1);
	assert_span(out_of(c), "token\n");
	process_free(c, false);
	process_free(ends(HANG, 200, PROCESS_TIMED_OUT, 0), false);
	process_free(start_script(HANG, 30000), false);
	signal(SIGCHLD, SIG_DFL);
}

static void test_a_host_that_reaps_all_children(void **state) {
	struct process *c = start_script("echo token; exit 3", 30000);
	(void)state;
	assert_true(waitpid(-1, NULL, 0) > 0);
	expect_end(run(c), PROCESS_EXITED, -1);
	assert_span(out_of(c), "token\n");
	process_free(c, false);
	c = start_script("exit 3", 30000);
	assert_true(waitpid(-1, NULL, 0) > 0);
	process_free(c, false); /* that number is not ours any more */
}

static void test_another_child_of_the_host_is_left_alone(void **state) {
	int status = 0;
	pid_t other = fork();
	(void)state;
	if (other == 0)
		_exit(7);
	process_free(ends("exit 3", 30000, PROCESS_EXITED, 3), false);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_a_host_without_standard_descriptors(void **state) {
	static const char *const argv[] = { "program", NULL };
	int status = 0;
	pid_t pid;
	(void)state;
	put_script("program", "echo token; echo warning >&2; wc -c");
	pid = fork();
	if (pid == 0) {
		struct process *c;
		pollset_give(&t.pool, t.ps, true);
		close(0), close(1), close(2);
		if (!open_set())
			_exit(2);
		c = start_with(argv, NULL, 30000);
		while (process_result(c) == NULL)
			turn(&c, 1);
		_exit(!(process_result(c)->end == PROCESS_EXITED &&
		        span_eq(out_of(c), SPAN("token\n0\n")) &&
		        span_eq(err_of(c), SPAN("warning\n"))));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_a_fork_of_the_host_leaves_the_program_alone(void **state) {
	struct process *c =
		start_script("read -r x <\"$0.go\"; echo $x", 30000);
	int status = 0, go;
	pid_t pid;
	(void)state;
	process_free(c, false);
	assert_int_equal(mkfifo(in_dir("program.go"), 0600), 0);
	c = start("program", 30000);
	pid = fork();
	if (pid == 0) {
		int before = count_descriptors();
		process_free(c, true);
		_exit(count_descriptors() >= before);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	go = open(in_dir("program.go"), O_WRONLY);
	assert_int_equal(write(go, "going\n", 6), 6);
	close(go);
	expect_end(run(c), PROCESS_EXITED, 0);
	assert_span(out_of(c), "going\n");
	process_free(c, false);
}

static void test_a_program_can_be_ended_at_any_time(void **state) {
	static const char *const scripts[] = {
		HANG, STUBBORN, "echo a; echo b >&2", "exit 1",
		"trap '' TERM; (trap '' TERM; exec tail -f /dev/null) & wait"
	};
	(void)state;
	process_free(NULL, false);
	for (size_t i = 0; i < COUNT(scripts); i++)
		for (int turns = 0; turns < 4; turns++) {
			struct process *c = start_script(scripts[i], 50);
			for (int n = 0; n < turns && !process_result(c); n++)
				turn(&c, 1);
			process_free(c, false);
		}
}

static void test_fifty_programs_at_once(void **state) {
	static const char *const scripts[] = {
		"echo token", "echo no >&2; exit 1", HANG, STUBBORN,
		"tail -f /dev/null --pid=$PPID & yes"
	};
	static const enum process_end wanted[] = {
		PROCESS_EXITED, PROCESS_EXITED, PROCESS_TIMED_OUT,
		PROCESS_TIMED_OUT, PROCESS_FLOODED
	};
	struct process *all[50];
	size_t n = COUNT(all), open = n;
	(void)state;
	for (size_t i = 0; i < COUNT(scripts); i++)
		put_script((char[]){ (char)('a' + (int)i), '\0' }, scripts[i]);
	for (size_t i = 0; i < n; i++)
		all[i] = start((char[]){ (char)('a' + (int)(i % 5)), '\0' },
		               wanted[i % 5] == PROCESS_TIMED_OUT ? 1000
		                                                  : STUCK);
	while (open > 0) {
		turn(all, (int)n);
		open = 0;
		for (size_t i = 0; i < n; i++)
			open += process_result(all[i]) == NULL;
	}
	assert_true(t.slowest < STUCK);
	for (size_t i = 0; i < n; i++) {
		if (process_result(all[i])->end != wanted[i % 5])
			FAIL("%zu: end %d", i, process_result(all[i])->end);
		process_free(all[i], false);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_arguments_arrive_as_they_are),
		TEST(test_the_environment_is_inherited_and_added_to),
		TEST(test_a_program_inherits_nothing_of_the_host),
		TEST(test_a_program_that_is_not_there),
		TEST(test_a_program_that_cannot_be_run),
		TEST(test_a_program_without_a_name),
		TEST(test_the_search_skips_what_cannot_be_executed),
		TEST(test_no_local_file_is_taken_for_the_program),
		TEST(test_without_a_path_the_usual_one_is_meant),
		TEST(test_the_exit_status_and_both_streams),
		TEST(test_a_program_may_end_or_close_its_output_first),
		TEST(test_a_hanging_program_is_ended),
		TEST(test_a_hanging_program_without_output_is_ended),
		TEST(test_a_program_that_ignores_sigterm_is_killed),
		TEST(test_grandchildren_of_a_killed_program_are_killed),
		TEST(test_a_grandchild_does_not_delay_the_result),
		TEST(test_late_output_of_a_grandchild_is_read),
		TEST(test_a_whole_quarter_of_a_megabyte_is_read),
		TEST(test_an_endless_flood_is_stopped),
		TEST(test_many_warnings_are_cut_and_do_no_harm),
		TEST(test_output_is_overwritten_after_use),
		TEST(test_memory_may_run_out_anywhere),
		TEST(test_descriptors_may_run_out),
		TEST(test_a_program_is_checked_without_a_pidfd),
		TEST(test_a_host_that_ignores_sigchld),
		TEST(test_a_host_that_reaps_all_children),
		TEST(test_another_child_of_the_host_is_left_alone),
		TEST(test_a_host_without_standard_descriptors),
		TEST(test_a_fork_of_the_host_leaves_the_program_alone),
		TEST(test_a_program_can_be_ended_at_any_time),
		TEST(test_fifty_programs_at_once),
	};
	return RUN(tests);
}
