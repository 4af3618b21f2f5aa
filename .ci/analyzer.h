/* For clang-tidy only: an error_…() of another file never returns OK, and gpu_mute() never true. Without this the analyser
 * follows each failure into the branch where it was none, and finds values there that nobody has set. */
#include "base/error.h"
#include "env/gpu.h"

#define error_set(...) ((void)(error_set)(__VA_ARGS__), B10_REASON_INTERNAL)
#define error_errno(...) ((void)(error_errno)(__VA_ARGS__), B10_REASON_IO)
#define error_no_memory(...) ((void)(error_no_memory)(__VA_ARGS__), B10_REASON_NO_MEMORY)
#define gpu_mute(...) ((void)(gpu_mute)(__VA_ARGS__), false)
