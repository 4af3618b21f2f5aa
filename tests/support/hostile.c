#include "support/hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/check.h"
#include "archive/unpack.h"
#include "fs/dirs.h"

#define ARCHIVE "volume/a.tar.zst"

int hostile_setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    scratch_mkdir(*state, "volume");
    scratch_text(*state, "outside/secret", "untouched");
    return 0;
}

static void fresh_stage(const struct scratch *scratch)
{
    if (scratch_exists(scratch, "stage"))
        assert_int_equal(dirs_remove_tree(scratch->fd, "stage", NULL, NULL), B10_REASON_OK);
    scratch_mkdir(scratch, "stage/inductor");
    scratch_mkdir(scratch, "stage/headers");
}

static enum b10_reason open_archive(const struct scratch *scratch, struct reader *reader,
                                    struct b10_error *error)
{
    return reader_open(reader, scratch->fd, ARCHIVE, scratch_path(scratch, ARCHIVE), error);
}

enum b10_reason hostile_load(const struct scratch *scratch, unsigned threads,
                             struct b10_error *error)
{
    SCOPED(reader) struct reader reader = READER_CLOSED;
    enum b10_reason reason = open_archive(scratch, &reader, error);
    if (reason != B10_REASON_OK)
        return reason;
    fresh_stage(scratch);
    SCOPED(fd) int inductor = openat(scratch->fd, "stage/inductor", O_PATH | O_CLOEXEC);
    SCOPED(fd) int headers = openat(scratch->fd, "stage/headers", O_PATH | O_CLOEXEC);
    assert_true(inductor >= 0 && headers >= 0);
    size_t roots = reader.manifest.root_count;
    int *fds = calloc(roots + 1, sizeof(*fds));
    assert_non_null(fds);
    for (size_t i = 0; i < roots; i++)
        fds[i] = strcmp(reader.manifest.roots[i].name, "inductor") == 0  ? inductor
                 : strcmp(reader.manifest.roots[i].name, "headers") == 0 ? headers
                                                                         : -1;
    struct cancel cancel = CANCEL_CLEAR;
    struct unpack_counts counts;
    reason = unpack(&reader, fds, NULL, threads, &cancel, NULL, &counts, error);
    free(fds);
    return reason;
}

enum b10_reason hostile_check(const struct scratch *scratch, struct b10_error *error)
{
    SCOPED(reader) struct reader reader = READER_CLOSED;
    enum b10_reason reason = open_archive(scratch, &reader, error);
    return reason != B10_REASON_OK ? reason : check_archive(&reader, NULL, error);
}

static void assert_refusal(enum b10_reason reason, const struct b10_error *error, unsigned reasons,
                           const char *member, const char *who)
{
    if (reason == B10_REASON_OK || (reasons & 1U << reason) == 0)
        fail_msg("%s: reason %d: %s", who, (int)reason, error->message);
    assert_int_equal(error->code, reason);
    if (strstr(error->message, "a.tar.zst") == NULL)
        fail_msg("%s: does not name the archive: %s", who, error->message);
    if (member != NULL && strstr(error->message, member) == NULL)
        fail_msg("%s: does not name '%s': %s", who, member, error->message);
}

static void assert_outside_untouched(const struct scratch *scratch)
{
    char *secret = scratch_read(scratch, "outside/secret", NULL);
    assert_string_equal(secret, "untouched");
    free(secret);
    assert_int_equal(scratch_count(scratch, "outside"), 1);
    assert_int_equal(scratch_count(scratch, "volume"), 1);
    /* volume, its file, outside, its file, stage and what is in it. */
    assert_int_equal(scratch_count(scratch, "."), 5 + scratch_count(scratch, "stage"));
    assert_int_equal(scratch_count(scratch, "stage"), 2 + scratch_count(scratch, "stage/inductor") +
                                                          scratch_count(scratch, "stage/headers"));
}

void hostile_file_refused(const struct scratch *scratch, unsigned reasons, const char *member)
{
    fresh_stage(scratch);
    size_t descriptors = scratch_open_descriptors();
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        struct b10_error error = ERROR_NONE;
        enum b10_reason reason = hostile_load(scratch, threads, &error);
        assert_refusal(reason, &error, reasons, member, "load");
        assert_outside_untouched(scratch);
    }
    struct b10_error error = ERROR_NONE;
    enum b10_reason reason = hostile_check(scratch, &error);
    assert_refusal(reason, &error, reasons, member, "verify");
    assert_int_equal(scratch_open_descriptors(), descriptors);
}

void hostile_refused(const struct scratch *scratch, struct forge *forge, unsigned reasons,
                     const char *member)
{
    forge_save(forge, scratch_path(scratch, ARCHIVE));
    hostile_file_refused(scratch, reasons, member);
    forge_release(forge);
}
