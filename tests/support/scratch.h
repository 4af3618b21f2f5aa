/* A fresh directory per test, removed afterwards, and small helpers to fill and compare trees in
 * it.
 *
 * cmocka: cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown); *state is then a
 * struct scratch *. Failures inside these helpers fail the test.
 */
#ifndef SUPPORT_SCRATCH_H
#define SUPPORT_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

struct scratch {
    char path[256]; /* absolute */
    int fd;         /* the directory */
};

int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Absolute path of `relative` in the scratch directory; one of 16 static buffers in turn. */
const char *scratch_path(const struct scratch *scratch, const char *relative);

/* Creates a file with parents; content `size` bytes. */
void scratch_write(const struct scratch *scratch, const char *relative, const void *content,
                   size_t size);
/* The same with a text. */
void scratch_text(const struct scratch *scratch, const char *relative, const char *text);
/* A file of `size` pseudo-random bytes from `seed`. */
void scratch_random(const struct scratch *scratch, const char *relative, size_t size,
                    uint32_t seed);
/* mkdir -p. */
void scratch_mkdir(const struct scratch *scratch, const char *relative);

/* The file's content, NUL-terminated, to be freed; its size in *size (NULL allowed). */
char *scratch_read(const struct scratch *scratch, const char *relative, size_t *size);
int scratch_exists(const struct scratch *scratch, const char *relative);

/* Number of entries (of all types) below `relative`. */
size_t scratch_count(const struct scratch *scratch, const char *relative);

/* Number of open descriptors of this process; for "nothing leaked" checks. */
size_t scratch_open_descriptors(void);

/* Compares two trees: names, types, contents, symlink targets, executable bits, and mtimes (ns) of
 * files and symlinks. Fails the test on the first difference, naming it. */
void scratch_assert_same_tree(const char *a, const char *b);

#endif
