#include "env/gpu_line.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const char mark[] = "b10-gpu 1";

/* ---- writing ---- */

static bool has_separators(const struct gpu *gpu)
{
    return strpbrk(gpu->name, ";|") != NULL || strpbrk(gpu->mig, ";|") != NULL;
}

static void write_mute(char line[GPU_LINE_SIZE], const char *text)
{
    snprintf(line, GPU_LINE_SIZE, "%s!%s\n", mark, text);
}

void gpu_line_write(char line[GPU_LINE_SIZE], const struct gpus *gpus, const struct gpu_said *said)
{
    if (gpus == NULL) {
        write_mute(line, said->text);
        return;
    }
    int used = snprintf(line, GPU_LINE_SIZE, "%s|cuda=%s", mark, gpus->cuda);
    for (size_t i = 0; i < gpus->count; i++) {
        const struct gpu *gpu = &gpus->kinds[i];
        if (has_separators(gpu)) {
            write_mute(line, "the name of a device holds a separator of this line");
            return;
        }
        used += snprintf(line + used, (size_t)(GPU_LINE_SIZE - used), "|%s;%s;%s", gpu->name,
                         gpu->capability, gpu->mig);
    }
    snprintf(line + used, (size_t)(GPU_LINE_SIZE - used), "\n");
}

/* ---- reading ---- */

/* Moves *cursor past `text` if it stands there. */
static bool skip(const char **cursor, const char *text)
{
    size_t length = strlen(text);
    if (strncmp(*cursor, text, length) != 0)
        return false;
    *cursor += length;
    return true;
}

/* What stands before the next of `stops`, which must be there. */
static bool take(const char **cursor, const char *stops, char *field, size_t size)
{
    size_t length = strcspn(*cursor, stops);
    if (length >= size || (*cursor)[length] == '\0')
        return false;
    memcpy(field, *cursor, length);
    field[length] = '\0';
    *cursor += length;
    return true;
}

static bool parse_number(const char *text, int *number)
{
    uint64_t value;
    if (!parse_u64(text, &value) || value > 9999)
        return false;
    *number = (int)value;
    return true;
}

/* Only the form in which a version is written is one: "12.8", never "12.08". */
static bool read_cuda(struct gpus *gpus, const char **cursor)
{
    char major[8];
    char minor[8];
    int numbers[2];
    struct gpu_said unsaid;
    const char *start = *cursor;
    if (!take(cursor, ".", major, sizeof(major)) || !skip(cursor, ".") ||
        !take(cursor, "|\n", minor, sizeof(minor)) || !parse_number(major, &numbers[0]) ||
        !parse_number(minor, &numbers[1]) || numbers[0] > 999 || numbers[1] > 99 ||
        !gpus_set_cuda(gpus, numbers[0] * 1000 + numbers[1] * 10, &unsaid))
        return false;
    size_t length = (size_t)(*cursor - start);
    return strlen(gpus->cuda) == length && memcmp(gpus->cuda, start, length) == 0;
}

static bool read_kind(struct gpus *gpus, const char **cursor)
{
    static const char stops[] = ";|\n";
    char name[GPU_NAME_SIZE];
    char capability[8];
    char mig[GPU_SHORT_SIZE];
    char whole[sizeof(name) + sizeof(" MIG ") + sizeof(mig)];
    int number;
    struct gpu_said unsaid;
    if (!take(cursor, stops, name, sizeof(name)) || !skip(cursor, ";") ||
        !take(cursor, stops, capability, sizeof(capability)) || !skip(cursor, ";") ||
        !take(cursor, stops, mig, sizeof(mig)) || !parse_number(capability, &number))
        return false;
    snprintf(whole, sizeof(whole), "%s%s%s", name, *mig != '\0' ? " MIG " : "", mig);
    return gpus_add(gpus, whole, number, &unsaid);
}

static bool read_answer(struct gpus *gpus, const char *cursor)
{
    if (!skip(&cursor, "cuda=") || !read_cuda(gpus, &cursor))
        return false;
    while (skip(&cursor, "|")) {
        if (!read_kind(gpus, &cursor))
            return false;
    }
    return strcmp(cursor, "\n") == 0;
}

bool gpu_line_read(struct gpus *gpus, const char *line, struct gpu_said *said)
{
    char reason[GPU_SAID_SIZE];
    const char *cursor = line;
    if (!skip(&cursor, mark))
        return gpu_mute(said, "the helper printed something else than an answer");
    if (skip(&cursor, "!") && take(&cursor, "\n", reason, sizeof(reason)) && *reason != '\0' &&
        strcmp(cursor, "\n") == 0)
        return gpu_mute(said, "%s", reason);
    if (skip(&cursor, "|") && read_answer(gpus, cursor))
        return true;
    return gpu_mute(said, "the helper's answer makes no sense");
}
