/* What code compiled here with -march=native may use: the features that gcc and clang select on,
 * masked by what the kernel enables, and a short class name for people.
 *
 * x86-64: CPUID leaves 1, 7, 0xD, 0x14, 0x19, 0x1E, 0x24, 0x80000001, 0x80000008 masked by XGETBV.
 * aarch64: AT_HWCAP, AT_HWCAP2, sve vector length. Other architectures: class "generic", features
 * from AT_HWCAP as numbers. Compared exactly, never "at least": code from a wider CPU crashes on a
 * narrower one.
 * Threads: any.
 */
#ifndef ENV_CPU_H
#define ENV_CPU_H

#include <stdint.h>

#include "base/bytes.h"

struct cpu_facts {
    char architecture[32]; /* uname -m: "x86_64", "aarch64" */
    /* class: "avx512", "avx2", "avx", "sse42", "sse2"; "sve2", "sve", "neon"; "generic" */
    char level[32];
    /* owned: names as the compilers spell them, sorted, comma-separated, NUL-terminated */
    struct bytes features;
};

#define CPU_FACTS_NONE                                                                             \
    {                                                                                              \
        .features = BYTES_EMPTY                                                                    \
    }

/* Raw answers of the processor, so that tests can decide over recorded ones. A leaf that it lacks
 * is 0. */
struct cpu_x86_leaves {
    uint32_t leaf1_ecx, leaf1_edx;
    uint32_t leaf7_ebx, leaf7_ecx, leaf7_edx;                    /* subleaf 0 */
    uint32_t leaf7_1_eax, leaf7_1_ebx, leaf7_1_ecx, leaf7_1_edx; /* subleaf 1 */
    uint32_t leafd_1_eax;                                        /* subleaf 1 */
    uint32_t leaf14_ebx, leaf19_ebx;
    uint32_t leaf1e_1_eax; /* subleaf 1 */
    uint32_t leaf24_ebx;
    uint32_t leaf80000001_ecx, leaf80000001_edx, leaf80000008_ebx;
    uint64_t xcr0; /* 0 without OSXSAVE */
};

MUST_CHECK enum b10_reason cpu_detect(struct cpu_facts *facts, struct b10_error *error);

/* The decision over recorded x86-64 leaves; fills level and features. */
MUST_CHECK enum b10_reason cpu_decide_x86(struct cpu_facts *facts,
                                          const struct cpu_x86_leaves *leaves,
                                          struct b10_error *error);

/* The decision over recorded aarch64 capabilities; vector_bytes: of an sve register, 0 without
 * sve. */
MUST_CHECK enum b10_reason cpu_decide_arm(struct cpu_facts *facts, uint64_t hwcap, uint64_t hwcap2,
                                          unsigned vector_bytes, struct b10_error *error);

/* Puts names (borrowed, unsorted) into facts->features: sorted, comma-separated. */
MUST_CHECK enum b10_reason cpu_set_features(struct cpu_facts *facts, const char **names,
                                            size_t count, struct b10_error *error);

void cpu_facts_release(struct cpu_facts *facts);
void cpu_facts_guard(struct cpu_facts *facts);

#endif
