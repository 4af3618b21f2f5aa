/* A runtime that uses the library where it is installed and starts without it where it is not.
 *
 *     gcc example.c $(pkg-config --cflags b10transfer) -ldl -o example
 *     BASETEN_FS_ENABLED=1 B10FS_CACHE_DIR=/cache/model/compile_cache ./example
 *
 * Only the header is needed to build. The file name carries the major version of the ABI.
 */
#define B10_NO_SHORT_NAMES
#include <b10transfer.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef OperationStatus load_fn(void);
typedef const b10_error *last_error_fn(void);
typedef const char *status_name_fn(OperationStatus status);
typedef const char *version_fn(void);

/* ISO C has no conversion between object and function pointers; POSIX promises this one. */
#define SYMBOL(library, type, name) ((type *)(uintptr_t)dlsym(library, name))

int main(void)
{
    void *library = dlopen("libb10transfer.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        printf("no compile cache: %s\n", dlerror());
        return 0;
    }
    load_fn *load = SYMBOL(library, load_fn, "b10_load_compile_cache");
    last_error_fn *last_error = SYMBOL(library, last_error_fn, "b10_last_error");
    status_name_fn *status_name = SYMBOL(library, status_name_fn, "b10_status_name");
    version_fn *version = SYMBOL(library, version_fn, "b10_version");
    if (load == NULL || last_error == NULL || status_name == NULL || version == NULL) {
        printf("no compile cache: %s\n", dlerror());
        return 0;
    }
    OperationStatus status = load();
    printf("b10transfer %s: %s %s\n", version(), status_name(status), last_error()->message);
    /* The library stays: it is linked so that dlclose() never unloads it. */
    return 0;
}
