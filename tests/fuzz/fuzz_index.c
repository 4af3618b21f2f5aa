/* An index's text and payload from anywhere: every line that is accepted survives being written
 * again. */
#include <string.h>

#include "archive/index.h"
#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "fuzz.h"

/* Writes what it reads; false if the payload is refused. */
static bool read_payload(const void *data, size_t size, struct bytes *again)
{
    SCOPED(index_reader) struct index_reader *reader = NULL;
    SCOPED(index_writer) struct index_writer *writer = NULL;
    struct index_line line;
    bool found = true;
    HOLDS(index_reader_new(&reader, data, size, "a", NULL) == B10_REASON_OK);
    HOLDS(index_writer_new(&writer, NULL) == B10_REASON_OK);
    while (found) {
        if (index_reader_next(reader, &line, &found, NULL) != B10_REASON_OK)
            return false;
        if (found)
            HOLDS(index_writer_add(writer, &line, NULL) == B10_REASON_OK);
    }
    HOLDS(index_writer_finish(writer, again, NULL) == B10_REASON_OK);
    return true;
}

static void read_text(const uint8_t *data, size_t size)
{
    SCOPED(zstd_encoder) struct zstd_encoder *encoder = NULL;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(bytes) struct bytes again = BYTES_EMPTY;
    SCOPED(bytes) struct bytes once_more = BYTES_EMPTY;
    HOLDS(zstd_encoder_new(&encoder, 1, NULL) == B10_REASON_OK);
    HOLDS(zstd_encode(encoder, data, size, &payload, NULL) == B10_REASON_OK);
    if (!read_payload(payload.data, payload.size, &again))
        return;
    HOLDS(read_payload(again.data, again.size, &once_more));
    HOLDS(again.size == once_more.size && memcmp(again.data, once_more.data, again.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(bytes) struct bytes ignored = BYTES_EMPTY;
    read_text(data, size);
    read_payload(data, size, &ignored);
    return 0;
}
