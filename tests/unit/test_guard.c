#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/scratch.h"

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void a_descriptor_is_closed_at_the_end_of_its_scope(void **state)
{
    (void)state;
    int seen;
    {
        SCOPED(fd) int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        seen = fd;
        assert_true(is_open(seen));
    }
    assert_false(is_open(seen));
}

static void a_taken_descriptor_stays_open(void **state)
{
    (void)state;
    int taken;
    {
        SCOPED(fd) int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        taken = fd_take(&fd);
        assert_int_equal(fd, -1);
    }
    assert_true(is_open(taken));
    close(taken);
}

static void closing_keeps_errno(void **state)
{
    (void)state;
    int fd = 1 << 20; /* never open: close fails with EBADF */
    errno = ENOTCONN;
    fd_guard(&fd);
    assert_int_equal(errno, ENOTCONN);
    assert_int_equal(fd, -1);
    fd_guard(&fd);
}

static void memory_is_freed_or_handed_over(void **state)
{
    (void)state;
    char *taken;
    {
        SCOPED(heap) char *freed = test_malloc(10); /* cmocka reports it if it leaks */
        (void)freed;
        test_free(HEAP_TAKE(freed));
        SCOPED(heap) char *kept = malloc(10);
        taken = HEAP_TAKE(kept);
        assert_null(kept);
    }
    assert_non_null(taken);
    taken[9] = 1;
    free(taken);
    SCOPED(heap) char *nothing = NULL;
    (void)nothing;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_is_closed_at_the_end_of_its_scope),
        cmocka_unit_test(a_taken_descriptor_stays_open),
        cmocka_unit_test(closing_keeps_errno),
        cmocka_unit_test(memory_is_freed_or_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
