#include "cache/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/check.h"
#include "base/guard.h"
#include "cache/identity.h"
#include "cache/listing.h"
#include "cache/names.h"
#include "cache/scan.h"
#include "fs/path.h"

/* ---- shared ---- */

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* Everything behind struct_size. An assignment would put a copy, many KiB, on the stack. */
static void clear_record(void *record, size_t size)
{
    memset((char *)record + sizeof(uint32_t), 0, size - sizeof(uint32_t));
}

/* Whole lines only, as many as fit; hostile values made harmless. */
static void show_facts(char *to, size_t size, const struct fact *facts, size_t count)
{
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char name[80];
        char value[2100];
        path_quote(name, sizeof(name), facts[i].name);
        path_quote(value, sizeof(value), facts[i].value);
        int length = snprintf(to + used, size - used, "%s=%s\n", name, value);
        if (length < 0 || (size_t)length >= size - used) {
            to[used] = '\0';
            return;
        }
        used += (size_t)length;
    }
}

/* ---- info ---- */

/* *present: the directory holds an archive of this environment. */
static enum b10_reason inspect_in(const struct volume *volume, const struct identity *identity,
                                  struct log *log, struct b10_cache_info *info, bool *present,
                                  struct b10_error *error)
{
    SCOPED(reader) struct reader reader = READER_CLOSED;
    struct b10_error found = ERROR_NONE;
    char difference[512];
    char name[NAMES_SIZE];
    struct stat stat;
    names_archive(name, identity->key.text);
    const int failed = volume_look(volume, name, &stat);
    if (failed == ENOENT)
        return progress_check(volume->progress, error);
    if (failed != 0)
        return error_errno(error, failed, "cannot examine '%s/%s'", volume->path, name);
    if (!S_ISREG(stat.st_mode))
        return error_set(error, B10_REASON_UNSAFE, "'%s/%s' is no regular file", volume->path,
                         name);
    const enum b10_reason reason = names_open_archive(&reader, volume, identity->key.text, &found);
    const struct manifest *manifest = &reader.manifest;
    if (reason == B10_REASON_OK &&
        identity_compare(identity, manifest, difference, sizeof(difference)) != MATCH_EXACT) {
        log_info(log, "'%s' is of another environment: %s", reader.name, difference);
        return B10_REASON_OK;
    }
    *present = true;
    info->b10fs_cache_exists = 1;
    info->b10fs_cache_bytes = (uint64_t)stat.st_size;
    snprintf(info->archive, sizeof(info->archive), "%.3800s/%s", volume->path, name);
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    info->b10fs_cache_bytes = (uint64_t)reader.stat.st_size;
    info->b10fs_cache_files = manifest->totals.files + manifest->totals.symlinks;
    info->b10fs_created_time = manifest->created_s;
    return B10_REASON_OK;
}

/* Nothing about the volume is an error here: what cannot be learned stays empty. */
static enum b10_reason inspect_archive(const struct settings *settings,
                                       const struct identity *identity, struct log *log,
                                       struct b10_cache_info *info, struct progress *progress,
                                       struct b10_error *error)
{
    SCOPED(volumes) struct volumes volumes = {0};
    bool present = false;
    TRY(volumes_open(&volumes, settings, log, progress, error));
    for (size_t i = 0; i < volumes.count && !present; i++)
        TRY(inspect_in(&volumes.items[i], identity, log, info, &present, error));
    return B10_REASON_OK;
}

static enum b10_reason inspect_local(const struct settings *settings, struct b10_cache_info *info,
                                     struct progress *progress, struct b10_error *error)
{
    bool found = false;
    TRY(scan_has_files(settings, &found, progress, error));
    info->local_cache_exists = found;
    return scan_measure(settings, &info->local_cache_files, &info->local_cache_bytes, progress,
                        error);
}

/* A part that failed is left empty, unless memory ran out or the operation must stop. */
static enum b10_reason tolerate(enum b10_reason reason, const struct b10_error *found,
                                struct log *log, struct progress *progress, struct b10_error *error)
{
    TRY(progress_check(progress, error));
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, found);
    if (reason == B10_REASON_ABSENT)
        log_debug(log, "%s", found->message);
    else if (reason != B10_REASON_OK)
        log_warn(log, "%s", found->message);
    return B10_REASON_OK;
}

static void describe(const struct settings *settings, const struct identity *identity,
                     struct b10_cache_info *info)
{
    char name[NAMES_SIZE];
    names_archive(name, identity->key.text);
    info->b10fs_enabled = settings->enabled;
    copy_text(info->environment_key, sizeof(info->environment_key), identity->key.text);
    copy_text(info->local_directory, sizeof(info->local_directory), settings->local_dir);
    copy_text(info->shared_directory, sizeof(info->shared_directory), settings->shared_dir);
    snprintf(info->archive, sizeof(info->archive), "%s/%s", settings->shared_dir, name);
    copy_text(info->detection, sizeof(info->detection), identity->facts.detection);
    copy_text(info->detection_steps, sizeof(info->detection_steps), identity->facts.steps);
    show_facts(info->facts, sizeof(info->facts), identity->facts.items, identity->facts.count);
}

enum b10_reason inspect_info(const struct settings *settings, struct log *log,
                             struct b10_cache_info *info, struct progress *progress,
                             struct b10_error *error)
{
    SCOPED(identity) struct identity identity = IDENTITY_NONE;
    struct b10_error found = ERROR_NONE;
    clear_record(info, sizeof(*info));
    TRY(identity_collect(&identity, settings, error));
    describe(settings, &identity, info);
    TRY(tolerate(inspect_local(settings, info, progress, &found), &found, log, progress, error));
    if (!settings->enabled || facts_device_unknown(&identity.facts))
        return B10_REASON_OK;
    return tolerate(inspect_archive(settings, &identity, log, info, progress, &found), &found, log,
                    progress, error);
}

/* ---- list ---- */

/* The list and its entries in one piece of memory. */
struct list_block {
    struct b10_cache_list list;
    struct b10_cache_entry entries[];
};

/* Without a shared directory there are none, and *volume stays closed. */
static enum b10_reason list_shared(struct listed **listed, size_t *count, struct volume *volume,
                                   const struct settings *settings, const char *key,
                                   struct progress *progress, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    const enum b10_reason reason = volume_open(volume, settings, false, progress, &found);
    if (reason == B10_REASON_ABSENT)
        return B10_REASON_OK;
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    return listing_read(listed, count, volume, "", key, error);
}

enum b10_reason inspect_list(const struct settings *settings, struct b10_cache_list **list,
                             struct progress *progress, struct b10_error *error)
{
    SCOPED(identity) struct identity identity = IDENTITY_NONE;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    SCOPED(heap) struct listed *found = NULL;
    size_t count = 0;
    TRY(identity_collect(&identity, settings, error));
    if (settings->enabled)
        TRY(list_shared(&found, &count, &volume, settings, identity.key.text, progress, error));
    struct list_block *block = calloc(1, sizeof(*block) + count * sizeof(block->entries[0]));
    if (block == NULL)
        return error_no_memory(error);
    block->list = (struct b10_cache_list){
        .struct_size = (uint32_t)sizeof(block->list),
        .entry_size = (uint32_t)sizeof(block->entries[0]),
        .b10fs_enabled = settings->enabled,
        .total_caches = count,
        .caches = block->entries,
    };
    copy_text(block->list.current_environment, sizeof(block->list.current_environment),
              identity.key.text);
    for (size_t i = 0; i < count; i++) {
        block->entries[i] = found[i].entry;
        block->list.current_cache_exists |= found[i].entry.is_current_environment;
    }
    *list = &block->list;
    return B10_REASON_OK;
}

/* ---- verify ---- */

static void report_roots(char *to, size_t size, const struct manifest *manifest)
{
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < manifest->root_count && used < size; i++) {
        int length =
            snprintf(to + used, size - used, "%s%s", i > 0 ? "," : "", manifest->roots[i].name);
        used += length > 0 ? (size_t)length : 0;
    }
}

static void report_archive(struct b10_verify_report *result, const struct reader *reader)
{
    const struct manifest *manifest = &reader->manifest;
    result->format = manifest->format;
    result->created_time = manifest->created_s;
    result->archive_bytes = (uint64_t)reader->stat.st_size;
    result->content_bytes = manifest->totals.bytes;
    result->frames = manifest->frame_count;
    result->files = manifest->totals.files + manifest->totals.symlinks;
    result->directories = manifest->totals.directories;
    result->duplicates = manifest->totals.duplicates;
    result->host_code_files = manifest->totals.host_code;
    for (size_t i = 0; i < manifest->sliced_count; i++)
        result->void_files += manifest->sliced[i].is_void;
    path_quote(result->environment_key, sizeof(result->environment_key), manifest->key);
    path_quote(result->creator, sizeof(result->creator), manifest->creator);
    report_roots(result->roots, sizeof(result->roots), manifest);
    show_facts(result->facts, sizeof(result->facts), manifest->facts, manifest->fact_count);
}

/* A path, or a name that exists here; otherwise a key, or an archive's file name, in the shared
 * directory. */
static enum b10_reason open_named(struct reader *reader, const struct settings *settings,
                                  const char *archive, struct b10_verify_report *result,
                                  struct progress *progress, struct b10_error *error)
{
    struct stat stat;
    if (strchr(archive, '/') != NULL || lstat(archive, &stat) == 0) {
        copy_text(result->archive, sizeof(result->archive), archive);
        return reader_open(reader, AT_FDCWD, archive, archive, error);
    }
    char key[B10_KEY_SIZE];
    if (!names_parse(archive, key)) {
        if (!key_is_valid(archive))
            return error_set(error, B10_REASON_ABSENT, "'%.200s' is no file and no key", archive);
        copy_text(key, sizeof(key), archive);
    }
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    char name[NAMES_SIZE];
    names_archive(name, key);
    snprintf(result->archive, sizeof(result->archive), "%.3800s/%s", settings->shared_dir, name);
    TRY(volume_open(&volume, settings, false, progress, error));
    return names_open_archive(reader, &volume, key, error);
}

enum b10_reason inspect_verify(const struct settings *settings, const char *archive,
                               struct log *log, struct progress *progress,
                               struct b10_verify_report *result, struct b10_error *error)
{
    SCOPED(reader) struct reader reader = READER_CLOSED;
    clear_record(result, sizeof(*result));
    enum b10_reason reason = open_named(&reader, settings, archive, result, progress, error);
    result->format = reader.manifest.format;
    TRY(reason);
    report_archive(result, &reader);
    TRY(check_archive(&reader, progress, error));
    if (result->void_files > 0)
        log_info(log, "%llu files changed while they were saved and are left out by a load",
                 (unsigned long long)result->void_files);
    return B10_REASON_OK;
}
