/* What the kernel driver tells without being asked anything: models and its own version. Weaker
 * than the other steps: no compute capability, no CUDA version, and CUDA_VISIBLE_DEVICES cannot be
 * applied to it. So it answers only where every card is the same and none is cut by MIG. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "env/gpu.h"
#include "fs/io.h"

#define DRIVER_FOLDER "/proc/driver/nvidia"
#define CARDS_FOLDER  DRIVER_FOLDER "/gpus"
#define MIG_FOLDER    DRIVER_FOLDER "/capabilities"

enum { CARDS_LIMIT = 256, FILE_LIMIT = 4096 };

typedef DIR *directory;

static void directory_guard(directory *open_directory)
{
    if (*open_directory != NULL)
        closedir(*open_directory);
}

static enum b10_reason open_directory(directory *out, int at, const char *path,
                                      struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    TRY(io_open(&fd, at, path, O_RDONLY | O_DIRECTORY, 0, path, error));
    *out = fdopendir(fd);
    if (*out == NULL)
        return error_errno(error, errno, "cannot open '%s'", path);
    (void)fd_take(&fd);
    return B10_REASON_OK;
}

/* The next entry without a leading dot; NULL at the end, or with errno set after a failure. */
static const char *next_name(directory open_directory)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(open_directory);
        if (entry == NULL || entry->d_name[0] != '.')
            return entry == NULL ? NULL : entry->d_name;
    }
}

static bool listed(const char *path, struct gpu_said *said)
{
    return errno == 0 || gpu_mute(said, "cannot list '%s'", path);
}

/* The file's beginning, as text. */
static bool read_text(char text[FILE_LIMIT], int at, const char *path, struct gpu_said *said)
{
    struct b10_error error = ERROR_NONE;
    size_t got = 0;
    SCOPED(fd) int fd = -1;
    if (io_open(&fd, at, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, path, &error) !=
            B10_REASON_OK ||
        io_pread(fd, text, FILE_LIMIT - 1, 0, &got, path, &error) != B10_REASON_OK)
        return gpu_mute(said, "%s", error.message);
    text[got] = '\0';
    return true;
}

/* ---- the driver's version ---- */

/* "550.54.14": numbers and at least one dot between them. */
static bool is_version(const char *word, size_t length)
{
    size_t dots = 0;
    for (size_t i = 0; i < length; i++) {
        bool dot = word[i] == '.';
        if (!dot && (word[i] < '0' || word[i] > '9'))
            return false;
        if (dot && (i == 0 || i + 1 == length || word[i - 1] == '.'))
            return false;
        dots += dot;
    }
    return dots > 0 && length < GPU_SHORT_SIZE;
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.309.01  Wed …", or in newer words "NVIDIA
 * UNIX Open Kernel Module for x86_64  550.54.14  Release Build": the first word that is a version. */
static bool find_version(char version[GPU_SHORT_SIZE], const char *text, struct gpu_said *said)
{
    static const char label[] = "NVRM version:";
    const char *line = strstr(text, label);
    if (line == NULL)
        return gpu_mute(said, "'%s' has no line '%s'", DRIVER_FOLDER "/version", label);
    const char *word = line + strlen(label);
    const char *end = word + strcspn(word, "\n");
    while (word < end) {
        size_t length = strcspn(word, " \t\n");
        if (length > 0 && is_version(word, length)) {
            snprintf(version, GPU_SHORT_SIZE, "%.*s", (int)length, word);
            return true;
        }
        word += length + 1;
    }
    return gpu_mute(said, "'%s' names no version", DRIVER_FOLDER "/version");
}

static bool read_version(char version[GPU_SHORT_SIZE], struct gpu_said *said)
{
    char text[FILE_LIMIT];
    return read_text(text, AT_FDCWD, DRIVER_FOLDER "/version", said) &&
           find_version(version, text, said);
}

/* ---- the cards ---- */

/* "Model: \t\t NVIDIA H100 80GB HBM3" */
static bool find_model(char model[GPU_NAME_SIZE], const char *text, const char *card,
                       struct gpu_said *said)
{
    static const char label[] = "Model:";
    const char *line = strstr(text, label);
    if (line == NULL || (line > text && line[-1] != '\n'))
        return gpu_mute(said, "'%s' in %s has no line '%s'", card, CARDS_FOLDER, label);
    const char *begin = line + strlen(label);
    begin += strspn(begin, " \t");
    size_t length = strcspn(begin, "\n");
    while (length > 0 && (begin[length - 1] == ' ' || begin[length - 1] == '\t'))
        length--;
    if (length >= GPU_NAME_SIZE)
        return gpu_mute(said, "the model of '%s' in %s is too long", card, CARDS_FOLDER);
    snprintf(model, GPU_NAME_SIZE, "%.*s", (int)length, begin);
    if (strcmp(model, "Unknown") == 0)
        return gpu_mute(said, "the model of '%s' in %s is Unknown", card, CARDS_FOLDER);
    return true;
}

static bool read_model(char model[GPU_NAME_SIZE], int cards, const char *card,
                       struct gpu_said *said)
{
    char path[NAME_MAX + sizeof("/information")];
    char text[FILE_LIMIT];
    snprintf(path, sizeof(path), "%s/information", card);
    return read_text(text, cards, path, said) && find_model(model, text, card, said);
}

/* The model that all cards have. */
static bool read_models(char model[GPU_NAME_SIZE], struct gpu_said *said)
{
    SCOPED(directory) directory cards = NULL;
    struct b10_error error = ERROR_NONE;
    if (open_directory(&cards, AT_FDCWD, CARDS_FOLDER, &error) != B10_REASON_OK)
        return gpu_mute(said, "%s", error.message);
    size_t count = 0;
    for (const char *card; (card = next_name(cards)) != NULL; count++) {
        char other[GPU_NAME_SIZE];
        if (count == CARDS_LIMIT)
            return gpu_mute(said, "'%s' has more than %d cards", CARDS_FOLDER, CARDS_LIMIT);
        if (!read_model(count == 0 ? model : other, dirfd(cards), card, said))
            return false;
        if (count > 0 && strcmp(model, other) != 0)
            return gpu_mute(said, "'%s' has different cards: '%s' and '%s'", CARDS_FOLDER, model,
                            other);
    }
    if (!listed(CARDS_FOLDER, said))
        return false;
    return count > 0 || gpu_mute(said, "'%s' has no cards", CARDS_FOLDER);
}

/* ---- MIG ---- */

/* True with *out NULL where there is no such directory. */
static bool open_if_there(directory *out, int at, const char *path, struct gpu_said *said)
{
    struct b10_error error = ERROR_NONE;
    if (open_directory(out, at, path, &error) == B10_REASON_OK || error.sys_errno == ENOENT)
        return true;
    return gpu_mute(said, "%s", error.message);
}

/* capabilities/gpu0/mig/gi1 exists for a MIG device, and no file tells its profile. */
static bool card_is_whole(int capabilities, const char *card, struct gpu_said *said)
{
    char path[NAME_MAX + sizeof("/mig")];
    snprintf(path, sizeof(path), "%s/mig", card);
    SCOPED(directory) directory mig = NULL;
    if (!open_if_there(&mig, capabilities, path, said))
        return false;
    for (const char *name; mig != NULL && (name = next_name(mig)) != NULL;) {
        if (strncmp(name, "gi", 2) == 0)
            return gpu_mute(said, "'%s' in %s has MIG devices, whose profiles are not told", card,
                            MIG_FOLDER);
    }
    return mig == NULL || listed(path, said);
}

static bool cards_are_whole(struct gpu_said *said)
{
    SCOPED(directory) directory capabilities = NULL;
    if (!open_if_there(&capabilities, AT_FDCWD, MIG_FOLDER, said))
        return false;
    for (const char *name; capabilities != NULL && (name = next_name(capabilities)) != NULL;) {
        if (strncmp(name, "gpu", 3) == 0 && !card_is_whole(dirfd(capabilities), name, said))
            return false;
    }
    return capabilities == NULL || listed(MIG_FOLDER, said);
}

/* ---- */

bool gpu_proc_ask(struct gpus *gpus, struct gpu_said *said)
{
    char model[GPU_NAME_SIZE];
    char version[GPU_SHORT_SIZE];
    *gpus = (struct gpus){.count = 0};
    if (!read_models(model, said) || !cards_are_whole(said) || !read_version(version, said) ||
        !gpus_add(gpus, model, 1, said))
        return false;
    /* Only its name is checked there: the capability is what /proc does not tell. */
    snprintf(gpus->kinds[0].capability, GPU_SHORT_SIZE, "x");
    snprintf(gpus->driver, GPU_SHORT_SIZE, "%s", version);
    return true;
}
