/* A program as users write it: against the installed package, settings from the environment. */
#include <b10transfer.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    if (get_cache_info(&info) != B10_SUCCESS) {
        fprintf(stderr, "%s\n", b10_last_error()->message);
        return 1;
    }
    if (load_compile_cache() != B10_ERROR || b10_last_error()->code != B10_REASON_DISABLED)
        return 2;
    printf("%s %s\n", b10_version(), info.environment_key);
    return strlen(info.environment_key) > 0 ? 0 : 3;
}
