#include "archive/torn.h"

#include <string.h>

#include "fs/io.h"

/* Where a file's bytes come from. */
struct source {
    const unsigned char *memory; /* or NULL */
    int fd;
    uint64_t size;
    const char *name;
};

/* `size` bytes at `offset`; false if the file does not reach that far or cannot be read. */
static bool fetch(const struct source *source, uint64_t offset, void *to, size_t size)
{
    if (size > source->size || offset > source->size - size)
        return false;
    if (source->memory) {
        memcpy(to, source->memory + offset, size);
        return true;
    }
    return io_pread_full(source->fd, to, size, offset, source->name, NULL) == B10_REASON_OK;
}

/* ---- ELF (System V ABI, chapter 4: object files) ---- */

enum {
    ELF_CLASS = 4,
    ELF_DATA = 5,
    ELF_MACHINE = 18,
    CLASS_32 = 1,
    CLASS_64 = 2,
    DATA_LITTLE = 1,
    DATA_BIG = 2,
    HEADER_32 = 52,
    HEADER_64 = 64,
    MACHINE_CUDA = 190,
    MACHINE_AMDGPU = 224,
    COUNT_ELSEWHERE = 0xffff, /* PN_XNUM: more program headers than the field can say */
    SEGMENT_BATCH = 64,
};

/* Offsets of the fields that are looked at, by class. */
struct elf_layout {
    size_t header_size;
    size_t word; /* bytes of an offset or size */
    size_t phoff, shoff, phentsize, phnum, shentsize, shnum;
    size_t segment_size, segment_offset, segment_filesz;
};
static const struct elf_layout layout_32 = {HEADER_32, 4, 28, 32, 42, 44, 46, 48, 32, 4, 16};
static const struct elf_layout layout_64 = {HEADER_64, 8, 32, 40, 54, 56, 58, 60, 56, 8, 32};

static uint64_t number(const unsigned char *at, size_t size, bool big)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)at[i] << 8 * (big ? size - 1 - i : i);
    return value;
}

static bool is_elf(const void *first_bytes, size_t size)
{
    return size >= 4 && memcmp(first_bytes, "\177ELF", 4) == 0;
}

static bool reaches(const struct source *source, uint64_t offset, uint64_t size)
{
    return size <= source->size && offset <= source->size - size;
}

/* Do all segments end in the file? A table that cannot be read says nothing. */
static bool segments_reach(const struct source *source, const struct elf_layout *layout,
                           uint64_t table, uint64_t count, bool big)
{
    unsigned char batch[SEGMENT_BATCH * 56];
    for (uint64_t i = 0; i < count; i += SEGMENT_BATCH) {
        size_t here = count - i < SEGMENT_BATCH ? (size_t)(count - i) : SEGMENT_BATCH;
        if (!fetch(source, table + i * layout->segment_size, batch, here * layout->segment_size))
            return true;
        for (size_t k = 0; k < here; k++) {
            const unsigned char *segment = batch + k * layout->segment_size;
            uint64_t offset = number(segment + layout->segment_offset, layout->word, big);
            uint64_t size = number(segment + layout->segment_filesz, layout->word, big);
            bool unused = number(segment, 4, big) == 0; /* PT_NULL */
            if (!unused && size > 0 && !reaches(source, offset, size))
                return false;
        }
    }
    return true;
}

static bool elf_is_torn(const struct source *source, const unsigned char *header)
{
    const struct elf_layout *layout = header[ELF_CLASS] == CLASS_64 ? &layout_64 : &layout_32;
    bool big = header[ELF_DATA] == DATA_BIG;
    uint64_t phoff = number(header + layout->phoff, layout->word, big);
    uint64_t shoff = number(header + layout->shoff, layout->word, big);
    uint64_t phentsize = number(header + layout->phentsize, 2, big);
    uint64_t phnum = number(header + layout->phnum, 2, big);
    uint64_t shentsize = number(header + layout->shentsize, 2, big);
    uint64_t shnum = number(header + layout->shnum, 2, big);

    /* With more sections than the field can say it is 0, and section 0 holds the number: that one
     * must be there. */
    if (shoff != 0 && !reaches(source, shoff, (shnum == 0 ? 1 : shnum) * shentsize))
        return true;
    if (phoff == 0 || phnum == 0 || phnum == COUNT_ELSEWHERE)
        return false;
    if (!reaches(source, phoff, phnum * phentsize))
        return true;
    return phentsize == layout->segment_size && !segments_reach(source, layout, phoff, phnum, big);
}

/* A file that begins like ELF. */
static bool elf_file_is_torn(const struct source *source)
{
    unsigned char header[HEADER_64] = {0};
    if (source->size <= ELF_DATA)
        return true;
    if (!fetch(source, 0, header, ELF_DATA + 1))
        return false;
    bool known = (header[ELF_CLASS] == CLASS_32 || header[ELF_CLASS] == CLASS_64) &&
                 (header[ELF_DATA] == DATA_LITTLE || header[ELF_DATA] == DATA_BIG);
    if (!known)
        return false;
    size_t size = header[ELF_CLASS] == CLASS_64 ? HEADER_64 : HEADER_32;
    if (source->size < size)
        return true;
    return fetch(source, 0, header, size) && elf_is_torn(source, header);
}

/* ---- JSON ---- */

struct json_state {
    uint64_t depth; /* brackets and braces open */
    bool in_string;
    bool escaped;
    bool begun; /* something stands there */
};

/* NUL counts as nothing: a file that lost its blocks in a crash reads as zeros. */
static void json_scan(struct json_state *state, const unsigned char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = text[i];
        if (state->in_string) {
            state->in_string = state->escaped || c != '"';
            state->escaped = !state->escaped && c == '\\';
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0')
            continue;
        state->begun = true;
        if (c == '"')
            state->in_string = true;
        else if (c == '[' || c == '{')
            state->depth++;
        else if ((c == ']' || c == '}') && state->depth > 0)
            state->depth--;
    }
}

static bool json_file_is_torn(const struct source *source)
{
    unsigned char piece[4 << 10];
    struct json_state state = {0};
    for (uint64_t at = 0; at < source->size; at += sizeof(piece)) {
        uint64_t left = source->size - at;
        size_t size = left < sizeof(piece) ? (size_t)left : sizeof(piece);
        if (!fetch(source, at, piece, size))
            return false;
        /* A byte order mark alone is an empty file. */
        size_t mark = at == 0 && size >= 3 && memcmp(piece, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        json_scan(&state, piece + mark, size - mark);
    }
    return !state.begun || state.in_string || state.depth > 0;
}

/* ---- both ---- */

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcmp(path + length - tail, ending) == 0;
}

static bool is_torn(const char *path, const struct source *source)
{
    unsigned char first[4];
    if (ends_with(path, ".json"))
        return json_file_is_torn(source);
    return fetch(source, 0, first, sizeof(first)) && is_elf(first, sizeof(first)) &&
           elf_file_is_torn(source);
}

bool torn_in_memory(const char *path, const void *content, size_t size)
{
    const struct source source = {.memory = size > 0 ? content : (const void *)"",
                                  .fd = -1,
                                  .size = size,
                                  .name = path};
    return is_torn(path, &source);
}

bool torn_on_disk(const char *path, int fd, uint64_t size)
{
    const struct source source = {.fd = fd, .size = size, .name = path};
    return is_torn(path, &source);
}

/* ---- host code ---- */

/* How Triton names the directory of a cache entry: a SHA-256 in base 32, before 3.0 in hexadecimal
 * (triton/runtime/cache.py). */
static bool is_triton_entry(const char *directory)
{
    const size_t length = strlen(directory);
    return (length == 52 && strspn(directory, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == length) ||
           (length == 64 && strspn(directory, "0123456789abcdef") == length);
}

/* NAME.so or NAME.<extension suffix of Python>.so, compiled by triton/runtime/build.py with -O3 and
 * no -march. Another module's cuda_utils.so may well be compiled with it, hence the directory. */
static bool is_triton_stub(const char *directory, const char *path)
{
    static const char *const names[] = {"__triton_launcher", "cuda_utils", "hip_utils"};
    const char *last = strrchr(directory, '/');
    if (!is_triton_entry(last != NULL ? last + 1 : directory) || !ends_with(path, ".so"))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const size_t length = strlen(names[i]);
        if (strncmp(path, names[i], length) == 0 && path[length] == '.')
            return true;
    }
    return false;
}

bool torn_is_host_code(const char *directory, const char *path, const void *first_bytes,
                       size_t size)
{
    const unsigned char *first = first_bytes;
    if (ends_with(path, ".gch") || ends_with(path, ".pch") || ends_with(path, ".pchi"))
        return true;
    if (!is_elf(first_bytes, size))
        return false;
    if (size < ELF_MACHINE + 2)
        return true;
    /* GPU binaries are ELF too. */
    uint64_t machine = number(first + ELF_MACHINE, 2, first[ELF_DATA] == DATA_BIG);
    return machine != MACHINE_CUDA && machine != MACHINE_AMDGPU && !is_triton_stub(directory, path);
}
