/* A frame from anywhere: members lie inside it, keep the rules, and survive being written again. */
#include <stdio.h>
#include <string.h>

#include "archive/tar_codec.h"
#include "base/guard.h"
#include "fuzz.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void check_again(const struct entry *entry)
{
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(tar_decoder) struct tar_decoder *decoder = NULL;
    struct entry back = {0};
    bool found = false;
    HOLDS(tar_encode_header(entry, &frame, NULL) == B10_REASON_OK);
    HOLDS(bytes_append(&frame, entry->content, entry->content ? entry->size : 0, NULL) ==
          B10_REASON_OK);
    HOLDS(tar_encode_padding(entry->content ? entry->size : 0, &frame, NULL) == B10_REASON_OK);
    HOLDS(tar_decoder_new(&decoder, NULL) == B10_REASON_OK);
    bool header_only = !entry->content && entry->size > 0;
    HOLDS(tar_decoder_begin(decoder, frame.data, frame.size, header_only, "again", NULL) ==
          B10_REASON_OK);
    HOLDS(tar_decoder_next(decoder, &back, &found, NULL) == B10_REASON_OK && found);
    HOLDS(back.type == entry->type && back.size == entry->size &&
          back.executable == entry->executable && back.mtime_s == entry->mtime_s &&
          back.mtime_ns == entry->mtime_ns);
    HOLDS(same_text(back.path, entry->path) && same_text(back.target, entry->target));
    HOLDS(!entry->content || memcmp(back.content, entry->content, entry->size) == 0);
}

static void read_frame(const uint8_t *data, size_t size, bool header_only)
{
    SCOPED(tar_decoder) struct tar_decoder *decoder = NULL;
    struct entry entry = {0};
    bool found = true;
    HOLDS(tar_decoder_new(&decoder, NULL) == B10_REASON_OK);
    HOLDS(tar_decoder_begin(decoder, data, size, header_only, "a", NULL) == B10_REASON_OK);
    while (found && tar_decoder_next(decoder, &entry, &found, NULL) == B10_REASON_OK && found) {
        const uint8_t *content = entry.content;
        HOLDS(entry_check(&entry, "a", NULL) == B10_REASON_OK);
        HOLDS(!content ||
              (content >= data && entry.size <= size && content <= data + size - entry.size));
        HOLDS(content || entry.size == 0 || header_only);
        check_again(&entry);
    }
}

/* Gives every block that looks like a header its right checksum, so that changes get past that. */
static void repair(uint8_t *frame, size_t size)
{
    for (uint8_t *block = frame; size >= TAR_BLOCK; block += TAR_BLOCK, size -= TAR_BLOCK) {
        unsigned sum = 0;
        char digits[8];
        if (memcmp(block + 257, "ustar", 5) != 0)
            continue;
        memset(block + 148, ' ', 8);
        for (size_t i = 0; i < TAR_BLOCK; i++)
            sum += block[i];
        snprintf(digits, sizeof(digits), "%06o", sum % 262144);
        memcpy(block + 148, digits, 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(heap) uint8_t *repaired = malloc(size ? size : 1);
    HOLDS(repaired);
    memcpy(repaired, data, size);
    repair(repaired, size);
    for (int header_only = 0; header_only < 2; header_only++) {
        read_frame(data, size, header_only);
        read_frame(repaired, size, header_only);
    }
    return 0;
}
