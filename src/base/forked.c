#include "base/forked.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_SIZE_MAX = 65536 }; /* of any Linux; mmap rounds up by itself */

static unsigned char *map_wiped_page(void)
{
    unsigned char *page =
        mmap(NULL, PAGE_SIZE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, PAGE_SIZE_MAX, MADV_WIPEONFORK) == 0) {
        page[0] = 1;
        return page;
    }
    munmap(page, PAGE_SIZE_MAX);
    return NULL;
}

void fork_mark_init(struct fork_mark *mark)
{
    *mark = (struct fork_mark){.page = map_wiped_page(), .pid = getpid()};
}

bool fork_mark_crossed(const struct fork_mark *mark)
{
    return mark->page != NULL ? mark->page[0] == 0 : mark->pid != getpid();
}

enum b10_reason fork_mark_check(const struct fork_mark *mark, const char *what,
                                struct b10_error *error)
{
    if (!fork_mark_crossed(mark))
        return B10_REASON_OK;
    return error_set(error, B10_REASON_FORKED,
                     "this %s was made by a parent of this process: make one after the fork", what);
}

void fork_mark_release(struct fork_mark *mark)
{
    if (mark->page != NULL)
        munmap(mark->page, PAGE_SIZE_MAX);
    *mark = (struct fork_mark){0};
}
