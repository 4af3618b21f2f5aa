#include "cache/listing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fs/dirs.h"

/* Newest first, then by name. */
static int by_age(const void *a, const void *b)
{
    const struct listed *x = a;
    const struct listed *y = b;
    if (x->modified.tv_sec != y->modified.tv_sec)
        return x->modified.tv_sec < y->modified.tv_sec ? 1 : -1;
    if (x->modified.tv_nsec != y->modified.tv_nsec)
        return x->modified.tv_nsec < y->modified.tv_nsec ? 1 : -1;
    return strcmp(x->entry.filename, y->entry.filename);
}

/* False for what is no archive, or vanished since its name was read. */
static bool list_entry(struct listed *listed, const struct volume *volume, const char *name,
                       const char *prefix, const char *current)
{
    char key[B10_KEY_SIZE];
    struct stat stat;
    if (!names_parse(name, key) || strncmp(key, prefix, strlen(prefix)) != 0)
        return false;
    if (fstatat(volume->dirfd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(stat.st_mode))
        return false;
    *listed = (struct listed){.volume = volume, .modified = stat.st_mtim};
    struct b10_cache_entry *entry = &listed->entry;
    snprintf(entry->filename, sizeof(entry->filename), "%s", name);
    snprintf(entry->environment_key, sizeof(entry->environment_key), "%s", key);
    entry->size_bytes = (uint64_t)stat.st_size;
    entry->created_time = stat.st_mtim.tv_sec;
    entry->is_current_environment = strcmp(key, current) == 0;
    return true;
}

enum b10_reason listing_read(struct listed **out, size_t *count, const struct volume *volume,
                             const char *prefix, const char *current, struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    const size_t before = *count;
    TRY(dirs_list(&names, volume->dirfd, volume->path, error));
    struct listed *all = reallocarray(*out, before + names.count + 1, sizeof(*all));
    if (all == NULL)
        return error_no_memory(error);
    *out = all;
    for (size_t i = 0; i < names.count; i++) {
        TRY(progress_step(volume->progress, error));
        *count += list_entry(&all[*count], volume, names.names[i], prefix, current);
    }
    if (*count - before > 1)
        qsort(all + before, *count - before, sizeof(*all), by_age);
    return B10_REASON_OK;
}
