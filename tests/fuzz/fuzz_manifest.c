/* A manifest's text and payload from anywhere: what is accepted agrees with itself and survives
 * being written again. */
#include <string.h>

#include "archive/manifest_check.h"
#include "archive/manifest_decode.h"
#include "archive/manifest_text.h"
#include "base/guard.h"
#include "fuzz.h"

static void read_text(const uint8_t *data, size_t size)
{
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    SCOPED(bytes) struct bytes again = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    if (manifest_from_text((const char *)data, size, &manifest, "a", &error) != B10_REASON_OK) {
        HOLDS(error.code != B10_REASON_OK && error.message[0]);
        return;
    }
    HOLDS(manifest_check(&manifest, "a", NULL) == B10_REASON_OK);
    HOLDS(manifest_text(&manifest, &text, NULL) == B10_REASON_OK);
    HOLDS(manifest_from_text((const char *)text.data, text.size, &back, "a", NULL) ==
          B10_REASON_OK);
    HOLDS(manifest_text(&back, &again, NULL) == B10_REASON_OK);
    HOLDS(text.size == again.size && memcmp(text.data, again.data, text.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    read_text(data, size);
    (void)!manifest_decode(&manifest, data, size, "a", NULL);
    return 0;
}
