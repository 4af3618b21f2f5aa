/* Scope guards: what a function acquires is released when its scope ends, on every path.
 *
 *     SCOPED(fd) int fd = -1;                      closed at the end of the scope
 *     SCOPED(bytes) struct bytes text = {0};
 *     …
 *     *out = fd_take(&fd);                         handed over, guard disarmed
 *
 * A type T takes part by providing `void T_guard(T *)`, harmless on the empty value.
 */
#ifndef BASE_GUARD_H
#define BASE_GUARD_H

#define SCOPED(name) __attribute__((cleanup(name##_guard)))

/* Closes *fd if it is not negative; errno is kept. */
void fd_guard(int *fd);

/* Returns *fd and sets it to -1. */
int fd_take(int *fd);

/* free(*pointer) for any `T *`: SCOPED(heap) char *text = NULL; */
void heap_guard(void *pointer_to_pointer);

/* Returns *pointer and sets it to NULL. */
#define HEAP_TAKE(pointer)                                                                         \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

#endif
