#include "support/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_SKIPPED = 77 };

static int run_child(void (*fn)(void *context), void *context)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1",
               1); /* else a failed assertion goes on with the next test */
        fn(context);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
        skip();
    return status;
}

void sandbox_run(void (*fn)(void *context), void *context)
{
    int status = run_child(fn, context);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with wait status %#x", (unsigned)status);
}

int sandbox_signal(void (*fn)(void *context), void *context)
{
    int status = run_child(fn, context);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void sandbox_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: in a child: %s (errno %d)\n", file, line, condition, errno);
    _exit(EXIT_FAILED);
}

void sandbox_skip(const char *reason)
{
    fprintf(stderr, "skipped: %s\n", reason);
    _exit(EXIT_SKIPPED);
}

static void install_filter(struct sock_filter *filter, size_t count)
{
    struct sock_fprog program = {.len = (unsigned short)count, .filter = filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        sandbox_skip("no seccomp filters here");
}

/* The return value `verdict` for one system call. */
static void judge(uint32_t verdict, long number)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, verdict),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install_filter(filter, sizeof(filter) / sizeof(*filter));
}

void sandbox_deny(int answer, long number)
{
    judge(SECCOMP_RET_ERRNO | (uint32_t)answer, number);
}

void sandbox_kill(long number)
{
    judge(SECCOMP_RET_KILL_PROCESS, number);
}

void sandbox_deny_argument(int answer, long number, unsigned index, unsigned value)
{
    const uint32_t at = (uint32_t)offsetof(struct seccomp_data, args) + index * 8;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install_filter(filter, sizeof(filter) / sizeof(*filter));
}

/* In a chroot "/" is no mount point, so it can be neither made private nor read-only. Mounted onto
 * itself it is one, and ".." of the root leads onto what is mounted there. */
static void make_root_a_mount(void)
{
    CHECK(mount("/", "/", NULL, MS_BIND | MS_REC, NULL) == 0);
    CHECK(chdir("/..") == 0 && chroot(".") == 0);
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

void sandbox_private_mounts(struct scratch *scratch)
{
    if (geteuid() != 0)
        sandbox_skip("mounting needs root");
    if (unshare(CLONE_NEWNS) != 0)
        sandbox_skip("no mount namespaces here");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        CHECK(errno == EINVAL);
        make_root_a_mount();
    }
    close(scratch->fd);
    scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(scratch->fd >= 0);
}

void sandbox_tmpfs(const char *path, const char *options)
{
    CHECK(mount("tmpfs", path, "tmpfs", 0, options) == 0);
}

void sandbox_bind(const char *what, const char *path)
{
    CHECK(mount(what, path, NULL, MS_BIND, NULL) == 0);
}

void sandbox_read_only(const char *path)
{
    CHECK(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
}

void sandbox_become(uid_t id)
{
    CHECK(setgroups(0, NULL) == 0);
    CHECK(setresgid(id, id, id) == 0);
    CHECK(setresuid(id, id, id) == 0);
}

void sandbox_drop_root(void)
{
    if (geteuid() == 0)
        sandbox_become(65534);
}
