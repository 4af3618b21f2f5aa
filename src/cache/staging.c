#include "cache/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/holder.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"
#include "settings/auto_root.h"

enum { NO_ROOT = -1 };

struct staged_root {
    const char *name;        /* borrowed from the manifest */
    const char *destination; /* borrowed from the settings; NULL: no place for it here */
    int holder;              /* index, -1 while it has none */
    int inside;          /* index of the root whose destination contains this one's, or NO_ROOT */
    size_t made_parents; /* components created above the destination */
    const struct manifest_root *stored; /* borrowed: what the archive says of it */
    const char *named;                  /* borrowed: of the destination, settings_root.named */
};

struct staging {
    const struct settings *settings; /* borrowed */
    struct staged_root *roots;       /* owned, one per manifest root */
    int *fds;                        /* owned, each owned: staged directories, -1 for none */
    struct holder *holders;          /* owned, at most one per root */
    size_t *order; /* owned: indices of all roots, those around others before what lies in them */
    size_t root_count;
    size_t holder_count;
    uint64_t roots_left_out;
    int main_root; /* index */
    bool committed;
};

static void sweep_destination(const char *destination, struct log *log)
{
    SCOPED(heap) char *parent = NULL;
    if (path_parent(&parent, destination, NULL) != B10_REASON_OK)
        return;
    holder_sweep(parent, log);
    holder_sweep(destination, log);
}

void staging_sweep(const struct settings *settings, struct log *log)
{
    holder_sweep(settings->work_dir, log);
    sweep_destination(settings->local_dir, log);
    for (size_t i = 0; i < settings->root_count; i++)
        sweep_destination(settings->roots[i].path, log);
}

/* A holder in `place` from which `target` can be reached by rename, as the staging's newest. */
static enum b10_reason holder_try(struct staging *staging, const char *place, const char *target,
                                  struct b10_error *error)
{
    SCOPED(holder) struct holder holder = HOLDER_NONE;
    TRY(holder_make(&holder, place, error));
    TRY(holder_reaches(&holder, target, error));
    staging->holders[staging->holder_count++] = holder;
    holder = (struct holder)HOLDER_NONE;
    return B10_REASON_OK;
}

static bool is_directory(const char *path)
{
    struct stat stat;
    return lstat(path, &stat) == 0 && S_ISDIR(stat.st_mode);
}

static bool shared_by(const struct staging *staging, const char *parent, int *holder)
{
    struct stat place;
    struct stat wanted;
    if (stat(parent, &wanted) != 0)
        return false;
    for (size_t i = 0; i < staging->holder_count; i++)
        if (fstat(staging->holders[i].place, &place) == 0 && io_same_file(&place, &wanted)) {
            *holder = (int)i;
            return true;
        }
    return false;
}

/* In LOCAL_WORK_DIR, else beside the destination, else inside it. */
static enum b10_reason choose_holder(struct staging *staging, struct staged_root *root,
                                     struct b10_error *error)
{
    SCOPED(heap) char *parent = NULL;
    struct b10_error last = ERROR_NONE;
    const bool exists = is_directory(root->destination);
    TRY(path_parent(&parent, root->destination, error));
    const char *target = exists ? root->destination : parent;
    const char *places[] = {staging->settings->work_dir, parent, exists ? root->destination : NULL};
    int shared;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        if (places[i] == NULL || (i == 0 && access(places[i], W_OK | X_OK) != 0))
            continue;
        if (shared_by(staging, places[i], &shared) &&
            holder_reaches(&staging->holders[shared], target, &last) == B10_REASON_OK) {
            root->holder = shared;
            return B10_REASON_OK;
        }
        if (holder_try(staging, places[i], target, &last) == B10_REASON_OK) {
            root->holder = (int)staging->holder_count - 1;
            return B10_REASON_OK;
        }
    }
    return error_copy(error, &last);
}

static void find_destination(const struct settings *settings, struct staged_root *root)
{
    if (strcmp(root->name, settings->kind) == 0) {
        root->destination = settings->local_dir;
        root->named = settings->local_named;
        return;
    }
    for (size_t i = 0; i < settings->root_count; i++)
        if (strcmp(root->name, settings->roots[i].name) == 0) {
            root->destination = settings->roots[i].path;
            root->named = settings->roots[i].named;
        }
}

/* The innermost root whose destination contains this one's. */
static int containing_root(const struct staging *staging, const struct staged_root *root)
{
    int best = NO_ROOT;
    for (size_t i = 0; i < staging->root_count; i++) {
        const char *other = staging->roots[i].destination;
        if (other == NULL || root->destination == NULL || !path_is_below(root->destination, other))
            continue;
        if (best == NO_ROOT || strlen(other) > strlen(staging->roots[best].destination))
            best = (int)i;
    }
    return best;
}

/* The staged directory gets the umask's mode, or the mode of the empty directory it replaces. */
static enum b10_reason make_staged_directory(struct staging *staging, size_t index,
                                             struct b10_error *error)
{
    const struct staged_root *root = &staging->roots[index];
    const int holder = staging->holders[root->holder].fd;
    struct stat stat;
    if (mkdirat(holder, root->name, 0777) != 0)
        return error_errno(error, errno, "cannot create the staging directory of root '%s'",
                           root->name);
    TRY(io_open(&staging->fds[index], holder, root->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                root->name, error));
    if (lstat(root->destination, &stat) == 0 && S_ISDIR(stat.st_mode) &&
        fchmod(staging->fds[index], stat.st_mode & 07777) != 0)
        return error_errno(error, errno,
                           "cannot set the mode of the staging directory of root '%s'", root->name);
    return B10_REASON_OK;
}

/* The first directory below `around` on the way to `path` is there already: it may be a mount of
 * its own, which nothing that is staged for `around` reaches. */
static bool is_begun(const char *path, const char *around)
{
    const char *rest = path + strlen(around) + 1;
    SCOPED(heap) char *first = strndup(path, (size_t)(rest - path) + strcspn(rest, "/"));
    return first == NULL || is_directory(first);
}

/* A nested root that has no place on disk yet travels with the root around it. */
static bool travels_inside(const struct staging *staging, const struct staged_root *root)
{
    const struct staged_root *around = root->inside < 0 ? NULL : &staging->roots[root->inside];
    return around != NULL && around->holder >= 0 && around->destination != NULL &&
           !is_begun(root->destination, around->destination);
}

static enum b10_reason begin_root(struct staging *staging, size_t index, struct b10_error *error)
{
    struct staged_root *root = &staging->roots[index];
    if (travels_inside(staging, root)) {
        root->holder = staging->roots[root->inside].holder;
        return make_staged_directory(staging, index, error);
    }
    SCOPED(heap) char *parent = NULL;
    TRY(path_parent(&parent, root->destination, error));
    TRY(dirs_make_all(parent, &root->made_parents, error));
    TRY(choose_holder(staging, root, error));
    return make_staged_directory(staging, index, error);
}

/* What ninja built elsewhere it would build again here. */
static bool is_valid_here(const struct staged_root *root)
{
    return !auto_root_is_built_in_place(root->name) ||
           manifest_came_from(root->stored, root->destination) ||
           manifest_came_from(root->stored, root->named);
}

/* A further root that cannot be written costs a warning, never the load. */
static void begin_further_root(struct staging *staging, size_t index, struct log *log)
{
    struct staged_root *root = &staging->roots[index];
    struct b10_error error = ERROR_NONE;
    if (root->destination == NULL) {
        staging->roots_left_out++;
        log_info(log, "root '%s' of the archive has no directory here: left out", root->name);
    } else if (!is_valid_here(root)) {
        staging->roots_left_out++;
        log_warn(log, "root '%s' is left out: it was built in '%s' and is of no use in '%s'",
                 root->name, root->stored->origin_count > 0 ? root->stored->origins[0] : "",
                 root->destination);
    } else if (begin_root(staging, index, &error) != B10_REASON_OK) {
        staging->roots_left_out++;
        log_warn(log, "root '%s' is left out: %s", root->name, error.message);
        fd_guard(&staging->fds[index]);
        staging->fds[index] = -1;
    }
}

/* Shorter paths first: whatever lies around a path is shorter than it. */
static void order_roots(struct staging *staging)
{
    for (size_t i = 0; i < staging->root_count; i++) {
        const char *path = staging->roots[i].destination;
        const size_t length = path != NULL ? strlen(path) : 0;
        size_t at = i;
        for (; at > 0; at--) {
            const char *before = staging->roots[staging->order[at - 1]].destination;
            if (before == NULL || strlen(before) <= length)
                break;
            staging->order[at] = staging->order[at - 1];
        }
        staging->order[at] = i;
    }
}

static enum b10_reason staging_prepare(struct staging *staging, const struct manifest *manifest,
                                       struct b10_error *error)
{
    const size_t count = manifest->root_count;
    staging->roots = calloc(count, sizeof(*staging->roots));
    staging->holders = calloc(count, sizeof(*staging->holders));
    staging->fds = malloc(count * sizeof(*staging->fds));
    staging->order = calloc(count, sizeof(*staging->order));
    if (staging->roots == NULL || staging->holders == NULL || staging->fds == NULL ||
        staging->order == NULL)
        return error_no_memory(error);
    staging->root_count = count;
    for (size_t i = 0; i < count; i++) {
        staging->fds[i] = -1;
        staging->roots[i] = (struct staged_root){.name = manifest->roots[i].name,
                                                 .holder = -1,
                                                 .stored = &manifest->roots[i]};
        find_destination(staging->settings, &staging->roots[i]);
    }
    for (size_t i = 0; i < count; i++)
        staging->roots[i].inside = containing_root(staging, &staging->roots[i]);
    order_roots(staging);
    staging->main_root =
        manifest_find_root(manifest, staging->settings->kind, strlen(staging->settings->kind));
    if (staging->main_root < 0)
        return error_set(error, B10_REASON_CORRUPT, "the archive has no root '%s'",
                         staging->settings->kind);
    return B10_REASON_OK;
}

enum b10_reason staging_begin(struct staging **out, const struct settings *settings,
                              const struct manifest *manifest, struct log *log,
                              struct b10_error *error)
{
    SCOPED(staging) struct staging *staging = calloc(1, sizeof(*staging));
    if (staging == NULL)
        return error_no_memory(error);
    staging->settings = settings;
    TRY(staging_prepare(staging, manifest, error));
    TRY(begin_root(staging, (size_t)staging->main_root, error));
    for (size_t i = 0; i < staging->root_count; i++)
        if ((int)staging->order[i] != staging->main_root)
            begin_further_root(staging, staging->order[i], log);
    *out = HEAP_TAKE(staging);
    return B10_REASON_OK;
}

const int *staging_root_fds(const struct staging *staging)
{
    return staging->fds;
}

struct relocate_place staging_place(const struct staging *staging, size_t index)
{
    return (struct relocate_place){.fd = staging->fds[index],
                                   .path = staging->roots[index].destination,
                                   .named = staging->roots[index].named};
}

uint64_t staging_roots_left_out(const struct staging *staging)
{
    return staging->roots_left_out;
}

static enum b10_reason commit_root(struct staging *staging, size_t index, const char *destination,
                                   struct install *install, struct b10_error *error)
{
    const struct staged_root *root = &staging->roots[index];
    return install_tree(staging->holders[root->holder].fd, root->name, destination, install, error);
}

static void commit_further_root(struct staging *staging, size_t index, const char *destination,
                                struct log *log, struct install *install)
{
    SCOPED(heap) char *parent = NULL;
    struct b10_error error = ERROR_NONE;
    enum b10_reason reason = path_parent(&parent, destination, &error);
    if (reason == B10_REASON_OK)
        reason = dirs_make_all(parent, NULL, &error);
    if (reason == B10_REASON_OK)
        reason = commit_root(staging, index, destination, install, &error);
    if (reason == B10_REASON_OK)
        return;
    staging->roots_left_out++;
    log_warn(log, "root '%s' is left out: %s", staging->roots[index].name, error.message);
}

/* The roots nested in the main root: into its staged tree, so that they appear with it by the same
 * rename; into place beforehand, when the main root is there already and gets entries one by
 * one. */
static enum b10_reason commit_nested_roots(struct staging *staging, struct log *log,
                                           struct install *install, struct b10_error *error)
{
    const struct staged_root *main_root = &staging->roots[staging->main_root];
    const struct holder *holder = &staging->holders[main_root->holder];
    SCOPED(fd) int live = open(main_root->destination, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool empty = true;
    if (live >= 0)
        TRY(dirs_is_empty(&empty, live, main_root->destination, error));
    for (size_t k = 0; k < staging->root_count; k++) {
        const size_t i = staging->order[k];
        const struct staged_root *root = &staging->roots[i];
        if (staging->fds[i] < 0 || (int)i == staging->main_root ||
            !path_is_below(root->destination, main_root->destination))
            continue;
        SCOPED(heap) char *staged_main = NULL;
        SCOPED(heap) char *inside = NULL;
        const char *relative = root->destination + strlen(main_root->destination) + 1;
        TRY(path_join(&staged_main, holder->path, main_root->name, error));
        TRY(path_join(&inside, staged_main, relative, error));
        const bool together = empty && root->holder == main_root->holder;
        commit_further_root(staging, i, together ? inside : root->destination, log, install);
    }
    return B10_REASON_OK;
}

enum b10_reason staging_commit(struct staging *staging, struct log *log, struct install *install,
                               struct b10_error *error)
{
    const char *main_path = staging->roots[staging->main_root].destination;
    for (size_t k = 0; k < staging->root_count; k++) {
        const size_t i = staging->order[k];
        if (staging->fds[i] >= 0 && (int)i != staging->main_root &&
            !path_is_below(staging->roots[i].destination, main_path))
            commit_further_root(staging, i, staging->roots[i].destination, log, install);
    }
    TRY(commit_nested_roots(staging, log, install, error));
    TRY(commit_root(staging, (size_t)staging->main_root, main_path, install, error));
    staging->committed = true;
    return B10_REASON_OK;
}

void staging_free(struct staging *staging)
{
    if (staging == NULL)
        return;
    for (size_t i = 0; i < staging->root_count; i++)
        fd_guard(&staging->fds[i]);
    for (size_t i = 0; i < staging->holder_count; i++)
        holder_release(&staging->holders[i]);
    for (size_t i = staging->root_count; i-- > 0 && !staging->committed;) {
        SCOPED(heap) char *parent = NULL;
        const struct staged_root *root = &staging->roots[i];
        if (root->made_parents > 0 &&
            path_parent(&parent, root->destination, NULL) == B10_REASON_OK)
            dirs_unmake(parent, root->made_parents);
    }
    free(staging->fds);
    free(staging->roots);
    free(staging->holders);
    free(staging->order);
    free(staging);
}

void staging_guard(struct staging **staging)
{
    staging_free(*staging);
}
