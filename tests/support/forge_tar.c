/* tar headers by hand (POSIX.1-2017, pax). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/entry.h"
#include "support/forge.h"

enum { BLOCK = 512 };

static void ok(enum b10_reason reason)
{
    assert_int_equal(reason, B10_REASON_OK);
}

/* A pax header: a member of its own whose content is records of "length key=value\n". */
static void pax_header(struct bytes *out, char type, const char *records)
{
    struct bytes body = BYTES_EMPTY;
    while (*records != '\0') {
        size_t length = strcspn(records, "\n");
        size_t whole = length + 3; /* a digit, the space and the newline */
        while ((size_t)snprintf(NULL, 0, "%zu", whole) + length + 2 > whole)
            whole++;
        ok(bytes_format(&body, NULL, "%zu %.*s\n", whole, (int)length, records));
        records += length + (records[length] == '\n');
    }
    struct forge_tar header = {.name = "PaxHeader", .type = type, .size = body.size};
    forge_tar_header(out, &header);
    forge_tar_content(out, body.data, body.size);
    bytes_release(&body);
}

static void octal(char *field, size_t size, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%0*" PRIo64, (int)size - 1, value);
    memcpy(field, text, size - 1);
}

static void checksum(unsigned char block[BLOCK], bool wrong)
{
    unsigned sum = wrong ? 1 : 0;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += block[i];
    char text[16];
    snprintf(text, sizeof(text), "%06o", sum);
    memcpy(block + 148, text, 7);
}

void forge_tar_header(struct bytes *out, const struct forge_tar *tar)
{
    char type = tar->type == 0 ? '0' : tar->type;
    size_t length = strlen(tar->name);
    bool long_name = length > 100;
    if (tar->global != NULL)
        pax_header(out, 'g', tar->global);
    if (tar->pax != NULL || long_name) {
        struct bytes records = BYTES_EMPTY;
        if (long_name)
            ok(bytes_format(&records, NULL, "path=%s\n", tar->name));
        ok(bytes_append_text(&records, tar->pax == NULL ? "" : tar->pax, NULL));
        ok(bytes_terminate(&records, NULL));
        pax_header(out, 'x', (const char *)records.data);
        bytes_release(&records);
    }
    union {
        unsigned char bytes[BLOCK];
        char text[BLOCK];
    } block = {{0}};
    memcpy(block.text, tar->name, long_name ? 100 : length);
    unsigned mode = tar->mode != 0 ? tar->mode : type == '5' ? 0755U : 0644U;
    octal(block.text + 100, 8, mode);
    octal(block.text + 108, 8, 0);
    octal(block.text + 116, 8, 0);
    octal(block.text + 124, 12, type == '1' || type == '2' || type == '5' ? 0 : tar->size);
    if (tar->sized != NULL)
        memcpy(block.text + 124, tar->sized, strlen(tar->sized) < 12 ? strlen(tar->sized) : 12);
    octal(block.text + 136, 12, (uint64_t)tar->mtime);
    block.text[156] = type;
    if (tar->link != NULL)
        memcpy(block.text + 157, tar->link, strlen(tar->link) < 100 ? strlen(tar->link) : 100);
    memcpy(block.text + 257, "ustar\00000", 8);
    checksum(block.bytes, tar->wrong_checksum);
    ok(bytes_append(out, block.bytes, BLOCK, NULL));
}

void forge_tar_content(struct bytes *out, const void *content, size_t size)
{
    if (size > 0)
        ok(bytes_append(out, content, size, NULL));
    ok(bytes_append_zeros(out, (size_t)entry_padded(size) - size, NULL));
}
