/* dirs.c: making and reading directories. Removing them is in dirs_remove.c. */
#include "fs/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/io.h"

static bool is_directory(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* Makes one component. What exists is fine whatever mkdir says about it: read-only file systems and automounters have their
 * own answers. */
static enum b10_reason make_one(const char *path, size_t *made, struct b10_error *error)
{
    if (mkdir(path, 0777) == 0) {
        ++*made;
        return B10_REASON_OK;
    }
    int failed = errno;
    if (!is_directory(path))
        return error_errno(error, failed == EEXIST ? ENOTDIR : failed,
                           "cannot create directory '%s'", path);
    *made = 0; /* only an unbroken row at the end is ours to undo */
    return B10_REASON_OK;
}

enum b10_reason dirs_make_all(const char *path, size_t *made, struct b10_error *error)
{
    size_t count = 0;
    if (made != NULL)
        *made = 0;
    if (*path != '/')
        return error_set(error, B10_REASON_INTERNAL, "'%s' is not an absolute path", path);
    if (is_directory(path))
        return B10_REASON_OK;
    SCOPED(heap) char *prefix = strdup(path);
    if (prefix == NULL)
        return error_no_memory(error);
    for (char *end = prefix; *end != '\0';) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = '\0';
        enum b10_reason reason = make_one(prefix, &count, error);
        if (reason != B10_REASON_OK) {
            *strrchr(prefix, '/') = '\0';
            dirs_unmake(prefix, count);
            return reason;
        }
        *end = kept;
        if (end[strspn(end, "/")] == '\0')
            break;
    }
    if (made != NULL)
        *made = count;
    return B10_REASON_OK;
}

void dirs_unmake(const char *path, size_t made)
{
    SCOPED(heap) char *rest = strdup(path);
    if (rest == NULL)
        return;
    for (size_t length = strlen(rest); made > 0; made--) {
        while (length > 0 && rest[length - 1] == '/')
            length--;
        rest[length] = '\0';
        if (length == 0 || rmdir(rest) != 0)
            return;
        while (length > 0 && rest[length - 1] != '/')
            length--;
    }
}

struct listing {
    struct listed {
        char *name; /* owned */
        unsigned char type;
    } * items; /* owned */
    size_t count;
    size_t capacity;
};

static void listing_guard(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->items[i].name);
    free(listing->items);
}

static enum b10_reason listing_add(struct listing *listing, const struct dirent *entry,
                                   struct b10_error *error)
{
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 16 : listing->capacity * 2;
        struct listed *items = reallocarray(listing->items, capacity, sizeof(*items));
        if (items == NULL)
            return error_no_memory(error);
        listing->items = items;
        listing->capacity = capacity;
    }
    struct listed *item = &listing->items[listing->count];
    item->name = strdup(entry->d_name);
    item->type = entry->d_type;
    if (item->name == NULL)
        return error_no_memory(error);
    listing->count++;
    return B10_REASON_OK;
}

static int compare_names(const void *a, const void *b)
{
    const struct listed *left = a;
    const struct listed *right = b;
    return strcmp(left->name, right->name);
}

static enum b10_reason listing_finish(struct dirs_names *out, struct listing *listing,
                                      struct b10_error *error)
{
    if (listing->count == 0)
        return B10_REASON_OK;
    out->names = calloc(listing->count, sizeof(*out->names));
    out->types = calloc(listing->count, sizeof(*out->types));
    if (out->names == NULL || out->types == NULL) {
        dirs_names_release(out);
        return error_no_memory(error);
    }
    qsort(listing->items, listing->count, sizeof(*listing->items), compare_names);
    for (size_t i = 0; i < listing->count; i++) {
        out->names[i] = HEAP_TAKE(listing->items[i].name);
        out->types[i] = listing->items[i].type;
    }
    out->count = listing->count;
    return B10_REASON_OK;
}

static void directory_guard(DIR **directory)
{
    if (*directory != NULL)
        closedir(*directory);
}

/* The next name that is not `.` or `..`; NULL at the end or, with *failed set, after an error. */
static const struct dirent *next_entry(DIR *directory, int *failed)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            *failed = errno;
            return NULL;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry;
    }
}

/* A stream of its own on an open directory. The descriptor given is `fd` itself, or with `anew` one opened through it. */
static enum b10_reason open_stream(DIR **out, int fd, bool anew, const char *name,
                                   struct b10_error *error)
{
    SCOPED(fd)
    int own =
        anew ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    *out = own < 0 ? NULL : fdopendir(own);
    if (*out == NULL)
        return error_errno(error, errno, "cannot read directory '%s'", name);
    (void)fd_take(&own);
    return B10_REASON_OK;
}

static enum b10_reason read_all(struct dirs_names *out, DIR *directory, const char *name,
                                struct b10_error *error)
{
    SCOPED(listing) struct listing listing = {0};
    int failed = 0;
    for (const struct dirent *entry; (entry = next_entry(directory, &failed)) != NULL;)
        TRY(listing_add(&listing, entry, error));
    if (failed != 0)
        return error_errno(error, failed, "cannot read directory '%s'", name);
    return listing_finish(out, &listing, error);
}

enum b10_reason dirs_read(struct dirs_names *out, int fd, const char *name, struct b10_error *error)
{
    *out = (struct dirs_names){0};
    SCOPED(directory) DIR *directory = NULL;
    TRY(open_stream(&directory, fd, false, name, error));
    return read_all(out, directory, name, error);
}

/* False when the entry has vanished. */
static bool resolve_type(unsigned char *type, int dirfd, const char *name)
{
    struct stat found;
    if (*type != DT_UNKNOWN)
        return true;
    if (fstatat(dirfd, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    *type = (unsigned char)IFTODT(found.st_mode);
    return true;
}

enum b10_reason dirs_list(struct dirs_names *out, int dirfd, const char *name,
                          struct b10_error *error)
{
    *out = (struct dirs_names){0};
    SCOPED(directory) DIR *directory = NULL;
    TRY(open_stream(&directory, dirfd, true, name, error));
    TRY(read_all(out, directory, name, error));
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        char *entry = HEAP_TAKE(out->names[i]);
        if (resolve_type(&out->types[i], dirfd, entry)) {
            out->types[kept] = out->types[i];
            out->names[kept++] = entry;
        } else {
            free(entry);
        }
    }
    out->count = kept;
    return B10_REASON_OK;
}

void dirs_names_release(struct dirs_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    free(names->types);
    *names = (struct dirs_names){0};
}

void dirs_names_guard(struct dirs_names *names)
{
    dirs_names_release(names);
}

enum b10_reason dirs_is_empty(bool *empty, int dirfd, const char *name, struct b10_error *error)
{
    SCOPED(directory) DIR *directory = NULL;
    int failed = 0;
    TRY(open_stream(&directory, dirfd, true, name, error));
    *empty = next_entry(directory, &failed) == NULL;
    if (failed != 0)
        return error_errno(error, failed, "cannot read directory '%s'", name);
    return B10_REASON_OK;
}
