/* The header compiles alone and first, as C and as C++, and its promises hold for the compiler. */
#include <b10transfer.h>

typedef char status_has_four_bytes[sizeof(OperationStatus) == 4 ? 1 : -1];
typedef char reason_has_four_bytes[sizeof(b10_reason) == 4 ? 1 : -1];
typedef char level_has_four_bytes[sizeof(b10_log_level) == 4 ? 1 : -1];

OperationStatus use_header(void);
OperationStatus use_header(void)
{
    b10_error error = B10_INIT(b10_error);
    b10_report report = B10_INIT(b10_report);
    b10_options options = B10_INIT(b10_options);
#ifdef B10_NO_SHORT_NAMES
    int load_compile_cache = 0; /* free for the program's own use */
    (void)load_compile_cache;
#else
    if (load_compile_cache() == B10_ERROR)
        return b10_last_error()->code == B10_REASON_DISABLED ? B10_SKIPPED : B10_ERROR;
#endif
    return b10_load(NULL, &options, &report, &error);
}
