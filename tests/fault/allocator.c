#include "fault/allocator.h"

#if ALLOCATOR_AVAILABLE

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* The libraries in this process must find what is defined here. */
#pragma GCC visibility push(default)

/* What glibc's own malloc and its kin are called underneath. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static atomic_bool armed;
static atomic_bool all_later;
static atomic_bool injected;
static atomic_long seen;
static atomic_long fails_at;
static atomic_long live;
static atomic_int threads_left = -1;

/* Where libarchive lies, if it is a shared object. */
static struct {
    uintptr_t begin;
    uintptr_t end;
} libarchive;

static int find_libarchive(struct dl_phdr_info *object, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (strstr(object->dlpi_name, "libarchive.so") == NULL)
        return 0;
    libarchive.begin = object->dlpi_addr;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const uintptr_t end =
            object->dlpi_addr + object->dlpi_phdr[i].p_vaddr + object->dlpi_phdr[i].p_memsz;
        if (object->dlpi_phdr[i].p_type == PT_LOAD && end > libarchive.end)
            libarchive.end = end;
    }
    return 1;
}

/* libarchive has no answer to missing memory that a caller could use. Measured with 3.6.2: it ends
 * the process when a string of its own cannot grow (archive_string.c), reads through a null pointer
 * in archive_write_header() when a copied entry has no name, and leaks a cloned entry. Its own
 * allocations succeed here; everyone else's fail around it. */
static bool is_libarchive(const void *caller)
{
    return (uintptr_t)caller >= libarchive.begin && (uintptr_t)caller < libarchive.end;
}

void allocator_arm(long nth, bool later)
{
    dl_iterate_phdr(find_libarchive, NULL);
    seen = 0;
    fails_at = nth;
    all_later = later;
    injected = false;
    armed = true;
}

bool allocator_disarm(void)
{
    armed = false;
    return injected;
}

long allocator_live(void)
{
    return live;
}

#define CALLER __builtin_return_address(0)

static bool must_fail(const void *caller)
{
    if (!armed || is_libarchive(caller))
        return false;
    const long number = ++seen;
    if (number != fails_at && !(all_later && number > fails_at))
        return false;
    injected = true;
    errno = ENOMEM;
    return true;
}

static void *counted(void *block)
{
    if (block != NULL)
        live++;
    return block;
}

void *malloc(size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    if (must_fail(CALLER))
        return NULL;
    if (block == NULL)
        return counted(__libc_malloc(size));
    void *moved = __libc_realloc(block, size);
    if (moved == NULL && size == 0) /* that was free() */
        live--;
    return moved;
}

void *memalign(size_t alignment, size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *made = must_fail(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
    if (made == NULL)
        return ENOMEM;
    *block = made;
    return 0;
}

void free(void *block)
{
    if (block != NULL)
        live--;
    __libc_free(block);
}

void allocator_limit_threads(int count)
{
    threads_left = count;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (threads_left == 0)
        return EAGAIN;
    if (threads_left > 0)
        threads_left--;
    create_fn create;
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, run, argument);
}

#pragma GCC visibility pop

#else

void allocator_arm(long nth, bool later)
{
    (void)nth, (void)later;
}

bool allocator_disarm(void)
{
    return false;
}

long allocator_live(void)
{
    return 0;
}

void allocator_limit_threads(int count)
{
    (void)count;
}

#endif
