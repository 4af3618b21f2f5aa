#include "support/packing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/check.h"
#include "archive/reader.h"
#include "archive/same.h"
#include "base/guard.h"
#include "fs/walk.h"

void packing_init(struct packing_case *test)
{
    *test = (struct packing_case){.level = 1, .threads = 4, .size_limit = UINT64_MAX};
}

void packing_release(struct packing_case *test)
{
    tree_release(&test->tree);
    manifest_release(&test->manifest);
}

static void describe_root(struct packing_case *test, const char *directory, const char *name)
{
    struct manifest *manifest = &test->manifest;
    if (manifest->format == 0) {
        manifest->format = ARCHIVE_FORMAT;
        manifest->kind = strdup("inductor");
        manifest->key = strdup("test-key");
        manifest->creator = strdup("b10transfer test");
        memset(manifest->token, '0', sizeof(manifest->token) - 1);
    }
    manifest->roots =
        realloc(manifest->roots, (manifest->root_count + 1) * sizeof(*manifest->roots));
    assert_non_null(manifest->roots);
    struct manifest_root *root = &manifest->roots[manifest->root_count++];
    *root = (struct manifest_root){.name = strdup(name), .origin_count = 1};
    root->origins = calloc(1, sizeof(*root->origins));
    assert_non_null(root->origins);
    root->origins[0] = strdup(directory);
}

void packing_root(struct packing_case *test, const char *directory, const char *name)
{
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    size_t root;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tree_add_root(&test->tree, name, directory, fd, &root, NULL), 0);
    describe_root(test, directory, name);
    assert_int_equal(walk_open(&walk, fd, directory, NULL, NULL, NULL), 0);
    for (bool found = true;;) {
        assert_int_equal(walk_next(walk, &entry, &found, NULL), 0);
        if (!found)
            return;
        assert_int_equal(tree_add(&test->tree, root, entry.path, &entry.stat, NULL), 0);
    }
}

uint32_t packing_item(const struct packing_case *test, const char *path)
{
    char own[PATH_LIMIT + 1];
    for (size_t i = 0; i < test->tree.item_count; i++) {
        tree_path(&test->tree, &test->tree.items[i], own);
        if (strcmp(own, path) == 0)
            return (uint32_t)i;
    }
    fail_msg("'%s' is not in the tree", path);
    return 0;
}

enum b10_reason packing_write(struct packing_case *test, int fd, struct b10_error *error)
{
    SCOPED(writer) struct writer *writer = NULL;
    if (!test->skip_same)
        TRY(same_find(&test->tree, test->threads, &test->cancel, test->progress, error));
    TRY(writer_open(&writer, fd, "the archive", test->size_limit, true, test->progress,
                    &test->manifest, error));
    TRY(pack(&test->tree, writer, &test->manifest, NULL, test->level, test->threads, &test->cancel,
             test->progress, &test->counts, error));
    return writer_finish(writer, &test->size, error);
}

void packing_file(struct packing_case *test, const char *path)
{
    struct b10_error error = ERROR_NONE;
    SCOPED(fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    if (packing_write(test, fd, &error) != B10_REASON_OK)
        fail_msg("packing: %s", error.message);
    assert_int_equal(lseek(fd, 0, SEEK_END), test->size);
}

static void open_archive(struct reader *reader, const char *path)
{
    struct b10_error error = ERROR_NONE;
    if (reader_open(reader, AT_FDCWD, path, path, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

void packing_assert_intact(const char *path)
{
    SCOPED(reader) struct reader reader = READER_CLOSED;
    struct b10_error error = ERROR_NONE;
    open_archive(&reader, path);
    if (check_archive(&reader, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

bool packing_find_line(const char *path, const char *member, struct index_line *line, char *target)
{
    SCOPED(reader) struct reader reader = READER_CLOSED;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(index_reader) struct index_reader *index = NULL;
    struct index_line found;
    bool more = true;
    open_archive(&reader, path);
    assert_int_equal(reader_index(&reader, &payload, NULL), 0);
    assert_int_equal(index_reader_new(&index, payload.data, payload.size, path, NULL), 0);
    for (;;) {
        assert_int_equal(index_reader_next(index, &found, &more, NULL), 0);
        if (!more)
            return false;
        if (strcmp(found.entry.path, member) != 0)
            continue;
        if (line != NULL)
            *line = found;
        if (target != NULL)
            strcpy(target, found.entry.target);
        return true;
    }
}
