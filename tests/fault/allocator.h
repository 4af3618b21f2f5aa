/* Allocations and threads that fail on demand, in the whole process.
 *
 *     allocator_arm(17, false);  …the call…;  bool injected = allocator_disarm();
 *
 * The executable defines malloc and its kin itself, so every library in it uses these, on every
 * thread. Only with glibc and without sanitizers, which bring allocators of their own: elsewhere
 * ALLOCATOR_AVAILABLE is 0 and nothing fails.
 */
#ifndef FAULT_ALLOCATOR_H
#define FAULT_ALLOCATOR_H

#include <stdbool.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define ALLOCATOR_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATOR_SANITIZED 1
#endif

#if defined(__GLIBC__) && !defined(ALLOCATOR_SANITIZED)
#define ALLOCATOR_AVAILABLE 1
#else
#define ALLOCATOR_AVAILABLE 0
#endif

/* From now on the `nth` allocation fails, and every later one too if `later`. */
void allocator_arm(long nth, bool later);

/* Nothing fails any more; whether something did since it was armed. */
bool allocator_disarm(void);

/* Blocks allocated and not yet freed, in the whole process. */
long allocator_live(void);

/* From now on only `count` more threads can be created; negative: any number. */
void allocator_limit_threads(int count);

#endif
