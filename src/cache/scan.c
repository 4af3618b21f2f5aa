#include "cache/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "archive/link_text.h"
#include "base/guard.h"
#include "cache/exclude.h"
#include "fs/io.h"
#include "fs/path.h"
#include "fs/walk.h"
#include "par/aside.h"

/* Names in a root of which two threads take half each. */
enum { WORTH_HALVING = 16 };

/* One root being walked. */
struct scan {
    const struct settings *settings;
    const char *name;            /* of the root */
    const char *origin;          /* its path */
    bool whole;                  /* roots nested in it are part of what is asked for */
    struct scan_counts *counts;  /* NULL: nobody asks */
    const struct cancel *cancel; /* NULL: none */
    struct progress *progress;   /* NULL: none */
    struct walk *walk;           /* owned */
    struct walk_entry entry;
};

static void scan_guard(struct scan *scan)
{
    walk_close(scan->walk);
}

/* ---- which entries count ---- */

/* `root` lies below the walked one, exactly at the entry's path. */
static bool is_at(const struct scan *scan, const char *root, const char *path)
{
    if (!path_is_below(root, scan->origin))
        return false;
    const char *inner = root + strlen(scan->origin);
    return strcmp(inner + strspn(inner, "/"), path) == 0;
}

static bool is_nested_root(const struct scan *scan, const char *path)
{
    const struct settings *settings = scan->settings;
    if (is_at(scan, settings->local_dir, path))
        return true;
    for (size_t i = 0; i < settings->root_count; i++) {
        if (is_at(scan, settings->roots[i].path, path))
            return true;
    }
    return false;
}

/* What vLLM downloads for its tests and examples: no compiled code, and large. */
static bool is_assets(const struct scan *scan, const char *path)
{
    return strcmp(path, "assets") == 0 && strcmp(scan->name, "vllm") == 0;
}

/* The archive's path, root name first, keeps the format's limits. */
static bool fits_the_format(const struct scan *scan, const char *path)
{
    char member[64 + PATH_LIMIT + 1];
    size_t root = strlen(scan->name);
    size_t length = strlen(path);
    if (root + 1 + length > PATH_LIMIT)
        return false;
    memcpy(member, scan->name, root);
    member[root] = '/';
    memcpy(member + root + 1, path, length + 1);
    return path_is_member(member);
}

static void count_unsafe(const struct scan *scan)
{
    if (scan->counts != NULL)
        scan->counts->left_out_unsafe++;
}

static bool skip_entry(void *user, const struct walk_entry *entry)
{
    const struct scan *scan = user;
    if (exclude_name(entry->name, entry->stat.st_mode))
        return true;
    if (S_ISDIR(entry->stat.st_mode) &&
        (is_assets(scan, entry->path) || (!scan->whole && is_nested_root(scan, entry->path))))
        return true;
    if (fits_the_format(scan, entry->path))
        return false;
    count_unsafe(scan);
    return true;
}

/* A symlink that leaves its root is no part of a cache. One that vanished is not either. */
static enum b10_reason link_counts(const struct scan *scan, bool *counts, struct b10_error *error)
{
    char target[PATH_LIMIT + 1];
    char text[PATH_LIMIT + 1];
    *counts = false;
    ssize_t length = readlinkat(scan->entry.dirfd, scan->entry.name, target, sizeof(target) - 1);
    if (length < 0 && !io_is_absence(errno) && errno != EINVAL) /* EINVAL: no link any more */
        return error_errno(error, errno, "cannot read the symlink '%s/%s'", scan->origin,
                           scan->entry.path);
    if (length < 0) {
        if (scan->counts != NULL)
            scan->counts->left_out_changed++;
        return B10_REASON_OK;
    }
    target[length] = '\0';
    TRY(link_text(text, scan->origin, scan->entry.path, target, counts, error));
    if (!*counts)
        count_unsafe(scan);
    return B10_REASON_OK;
}

/* ---- walking ---- */

static enum b10_reason scan_open(struct scan *scan, int root, struct b10_error *error)
{
    return walk_open(&scan->walk, root, scan->origin, skip_entry, scan, error);
}

/* The next entry that a save would pack. */
static enum b10_reason scan_next(struct scan *scan, bool *found, struct b10_error *error)
{
    for (;;) {
        TRY(walk_next(scan->walk, &scan->entry, found, error));
        progress_moved(scan->progress);
        TRY(cancel_check(scan->cancel, error));
        TRY(progress_tick(scan->progress, error));
        if (!*found || !S_ISLNK(scan->entry.stat.st_mode))
            return B10_REASON_OK;
        bool counts;
        TRY(link_counts(scan, &counts, error));
        if (counts)
            return B10_REASON_OK;
    }
}

/* *root stays -1 when there is no such directory. The path is resolved: a link in its place
 * appeared since. */
static enum b10_reason open_root(int *root, const char *path, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason =
        io_open(root, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path, &found);
    if (reason != B10_REASON_OK && found.sys_errno == ENOENT)
        return B10_REASON_OK;
    return reason == B10_REASON_OK ? reason : error_copy(error, &found);
}

static struct scan main_scan(const struct settings *settings, struct progress *progress)
{
    return (struct scan){.settings = settings,
                         .name = settings->kind,
                         .origin = settings->local_dir,
                         .progress = progress};
}

/* ---- questions about the main root ---- */

enum b10_reason scan_has_files(const struct settings *settings, bool *found,
                               struct progress *progress, struct b10_error *error)
{
    *found = false;
    SCOPED(fd) int root = -1;
    TRY(open_root(&root, settings->local_dir, error));
    if (root < 0)
        return B10_REASON_OK;
    SCOPED(scan) struct scan scan = main_scan(settings, progress);
    TRY(scan_open(&scan, root, error));
    bool more = true;
    while (more && !*found) {
        TRY(scan_next(&scan, &more, error));
        *found = more && !S_ISDIR(scan.entry.stat.st_mode);
    }
    return B10_REASON_OK;
}

enum b10_reason scan_measure(const struct settings *settings, uint64_t *files, uint64_t *bytes,
                             struct progress *progress, struct b10_error *error)
{
    *files = 0;
    *bytes = 0;
    SCOPED(fd) int root = -1;
    TRY(open_root(&root, settings->local_dir, error));
    if (root < 0)
        return B10_REASON_OK;
    SCOPED(scan) struct scan scan = main_scan(settings, progress);
    scan.whole = true;
    TRY(scan_open(&scan, root, error));
    for (;;) {
        bool more;
        TRY(scan_next(&scan, &more, error));
        if (!more)
            return B10_REASON_OK;
        *files += !S_ISDIR(scan.entry.stat.st_mode);
        if (S_ISREG(scan.entry.stat.st_mode))
            *bytes += (uint64_t)scan.entry.stat.st_size;
    }
}

/* ---- is anybody writing? ---- */

static void add_activity(struct scan_activity *activity, const struct stat *stat)
{
    const int64_t mtime_ns =
        (int64_t)stat->st_mtim.tv_sec * 1000000000 + (int64_t)stat->st_mtim.tv_nsec;
    activity->entries++;
    if (S_ISREG(stat->st_mode))
        activity->bytes += (uint64_t)stat->st_size;
    /* a directory's changes with every lock in it */
    if (!S_ISDIR(stat->st_mode) && mtime_ns > activity->newest_ns)
        activity->newest_ns = mtime_ns;
}

static enum b10_reason look_at_root(const struct settings *settings, const char *name,
                                    const char *origin, struct scan_activity *activity,
                                    struct progress *progress, struct b10_error *error)
{
    SCOPED(fd) int root = -1;
    SCOPED(scan)
    struct scan scan = {.settings = settings, .name = name, .origin = origin, .progress = progress};
    bool more;
    TRY(open_root(&root, origin, error));
    if (root < 0)
        return B10_REASON_OK;
    TRY(scan_open(&scan, root, error));
    TRY(scan_next(&scan, &more, error));
    while (more) {
        add_activity(activity, &scan.entry.stat);
        TRY(scan_next(&scan, &more, error));
    }
    return B10_REASON_OK;
}

enum b10_reason scan_look(const struct settings *settings, struct scan_activity *activity,
                          struct progress *progress, struct b10_error *error)
{
    struct b10_error unread = ERROR_NONE;
    *activity = (struct scan_activity){.entries = 0};
    (void)!look_at_root(settings, settings->kind, settings->local_dir, activity, progress, &unread);
    for (size_t i = 0; i < settings->root_count; i++) /* each once, wherever it lies */
        (void)!look_at_root(settings, settings->roots[i].name, settings->roots[i].path, activity,
                            progress, &unread);
    return progress_check(progress, error);
}

/* ---- everything ---- */

/* From the entry already at hand to the end. */
static enum b10_reason add_entries(struct scan *scan, bool more, struct tree *tree, size_t index,
                                   struct b10_error *error)
{
    while (more) {
        TRY(tree_add(tree, index, scan->entry.path, &scan->entry.stat, error));
        TRY(scan_next(scan, &more, error));
    }
    scan->counts->left_out_changed += walk_unreadable(scan->walk);
    return B10_REASON_OK;
}

/* A further root that cannot even be begun leaves no trace in the tree. */
static enum b10_reason begin_further(struct scan *scan, int *root, bool *more,
                                     struct b10_error *error)
{
    TRY(open_root(root, scan->origin, error));
    if (*root < 0)
        return error_set(error, B10_REASON_ABSENT, "there is no directory '%s'", scan->origin);
    TRY(scan_open(scan, *root, error));
    return scan_next(scan, more, error);
}

static enum b10_reason scan_further(const struct settings *settings,
                                    const struct settings_root *further, struct tree *tree,
                                    struct scan_counts *counts, struct log *log,
                                    const struct cancel *cancel, struct progress *progress,
                                    struct b10_error *error)
{
    SCOPED(fd) int root = -1;
    SCOPED(scan)
    struct scan scan = {.settings = settings,
                        .name = further->name,
                        .origin = further->path,
                        .counts = counts,
                        .cancel = cancel,
                        .progress = progress};
    struct b10_error found = ERROR_NONE;
    bool more = false;
    enum b10_reason reason = begin_further(&scan, &root, &more, &found);
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    TRY(cancel_check(cancel, error));
    TRY(progress_check(progress, error));
    if (reason == B10_REASON_ABSENT && further->automatic)
        return B10_REASON_OK;
    if (reason != B10_REASON_OK) {
        log_warn(log, "root '%s' is left out: %s", further->name, found.message);
        counts->roots_left_out++;
        return B10_REASON_OK;
    }
    size_t index;
    TRY(tree_add_root(tree, further->name, further->path, fd_take(&root), &index, error));
    return add_entries(&scan, more, tree, index, error);
}

/* The second half of a root, on a thread of its own. */
struct half {
    struct scan scan; /* owned */
    struct tree tree; /* owned */
    size_t root;      /* index, in both trees */
    struct scan_counts counts;
    struct cancel stop;
    struct aside aside;
    bool is_taken; /* there is a second half */
};

static void half_guard(struct half *half)
{
    struct b10_error why = ERROR_NONE;
    if (aside_is_going_on(&half->aside)) {
        error_set(&why, B10_REASON_CANCELLED, "the first half failed");
        cancel_trip(&half->stop, &why);
    }
    aside_guard(&half->aside);
    walk_close(half->scan.walk);
    tree_release(&half->tree);
}

static enum b10_reason scan_half(void *user, struct b10_error *error)
{
    struct half *half = user;
    bool more = false;
    TRY(scan_next(&half->scan, &more, error));
    return add_entries(&half->scan, more, &half->tree, half->root, error);
}

/* Most of a scan is waiting for the kernel to look names up, which it does for two at once. Where it is
 * not worth it or cannot be had, `first` does it all. */
static enum b10_reason begin_half(struct half *half, struct scan *first, int root,
                                  struct b10_error *error)
{
    const char *middle = walk_middle(first->walk, WORTH_HALVING);
    const struct progress *progress = first->progress;
    if (middle == NULL || first->settings->threads == 1 || progress == NULL ||
        !progress->handed_over)
        return B10_REASON_OK;
    half->scan = *first;
    half->scan.walk = NULL;
    half->scan.counts = &half->counts;
    half->scan.cancel = &half->stop;
    TRY(tree_add_root(&half->tree, first->name, first->origin, -1, &half->root, error));
    TRY(scan_open(&half->scan, root, error));
    walk_from(half->scan.walk, middle);
    walk_until(first->walk, middle);
    half->is_taken = true;
    aside_begin(&half->aside, true, scan_half, half, first->progress);
    return B10_REASON_OK;
}

static enum b10_reason end_half(struct half *half, struct tree *tree, size_t index,
                                struct scan_counts *counts, struct b10_error *error)
{
    if (!half->is_taken)
        return B10_REASON_OK;
    TRY(aside_wait(&half->aside, error));
    counts->left_out_changed += half->counts.left_out_changed;
    counts->left_out_unsafe += half->counts.left_out_unsafe;
    return tree_append(tree, index, &half->tree, error);
}

static enum b10_reason scan_both_halves(struct scan *scan, int *root, struct tree *tree,
                                        struct b10_error *error)
{
    SCOPED(half)
    struct half half = {.tree = TREE_EMPTY,
                        .stop = CANCEL_BELOW(scan->cancel),
                        .aside = ASIDE_NONE};
    bool more;
    size_t index;
    TRY(scan_open(scan, *root, error));
    TRY(begin_half(&half, scan, *root, error));
    TRY(scan_next(scan, &more, error));
    TRY(tree_add_root(tree, scan->name, scan->origin, fd_take(root), &index, error));
    TRY(add_entries(scan, more, tree, index, error));
    return end_half(&half, tree, index, scan->counts, error);
}

static enum b10_reason scan_main(const struct settings *settings, struct tree *tree,
                                 struct scan_counts *counts, const struct cancel *cancel,
                                 struct progress *progress, struct b10_error *error)
{
    SCOPED(fd) int root = -1;
    TRY(open_root(&root, settings->local_dir, error));
    if (root >= 0) {
        SCOPED(scan) struct scan scan = main_scan(settings, progress);
        scan.counts = counts;
        scan.cancel = cancel;
        TRY(scan_both_halves(&scan, &root, tree, error));
    }
    if (tree->files == 0)
        return error_set(error, B10_REASON_NOTHING_LOCAL, "'%s' holds no file to save",
                         settings->local_dir);
    return B10_REASON_OK;
}

enum b10_reason scan_roots(const struct settings *settings, struct tree *tree,
                           struct scan_counts *counts, struct log *log, const struct cancel *cancel,
                           struct progress *progress, struct b10_error *error)
{
    TRY(scan_main(settings, tree, counts, cancel, progress, error));
    for (size_t i = 0; i < settings->root_count; i++)
        TRY(scan_further(settings, &settings->roots[i], tree, counts, log, cancel, progress,
                         error));
    if (counts->left_out_unsafe > 0)
        log_warn(log, "%llu entries are left out: links out of their root, or names too long",
                 (unsigned long long)counts->left_out_unsafe);
    return B10_REASON_OK;
}
