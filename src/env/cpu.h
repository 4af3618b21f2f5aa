/* What code compiled here with -march=native may use: the features that gcc and clang select on,
 * masked by what the kernel enables, and a short class name for people.
 *
 * x86-64: CPUID leaves 1, 7, 0xD, 0x14, 0x19, 0x1E, 0x24, 0x29, 0x80000001, 0x80000008, 0x80000021,
 * masked by XGETBV. aarch64: AT_HWCAP to AT_HWCAP3, sve vector length. Other architectures: class
 * "generic", features from AT_HWCAP as numbers. Compared exactly, never "at least": code from a
 * wider CPU crashes on a narrower one.
 *
 * What the kernel says of one core holds for all: Linux reports on aarch64 what every core has,
 * and Intel's hybrid processors show the same features on both kinds of core. Tiles (AMX) count
 * as soon as the kernel saves them, although a process must ask before it may use them
 * (arch_prctl): compilers do not look at that either.
 * Threads: any.
 */
#ifndef ENV_CPU_H
#define ENV_CPU_H

#include <stdint.h>

#include "base/bytes.h"

struct cpu_facts {
    /* uname -m: "x86_64", "aarch64". Under a 32-bit personality (setarch i686) the kernel says
     * "i686"; PyTorch believes it and vectorises nothing, so that is another environment. */
    char architecture[32];
    /* class: "avx512", "avx2", "avx", "sse42", "sse2"; "sve2", "sve", "neon"; "generic" */
    char level[32];
    /* owned: names as the compilers spell them, sorted, comma-separated, NUL-terminated */
    struct bytes features;
};

#define CPU_FACTS_NONE                                                                             \
    {                                                                                              \
        .features = BYTES_EMPTY                                                                    \
    }

MUST_CHECK enum b10_reason cpu_detect(struct cpu_facts *facts, struct b10_error *error);

void cpu_facts_release(struct cpu_facts *facts);
void cpu_facts_guard(struct cpu_facts *facts);

/* Puts names (borrowed, unsorted) into facts->features: sorted, comma-separated. */
MUST_CHECK enum b10_reason cpu_set_features(struct cpu_facts *facts, const char **names,
                                            size_t count, struct b10_error *error);

/* ---- x86-64, in two steps, so that tests can decide over recorded answers ---- */

struct cpu_x86_registers {
    uint32_t eax, ebx, ecx, edx;
};

/* What answers CPUID and XGETBV. */
struct cpu_x86_source {
    struct cpu_x86_registers (*cpuid)(void *context, uint32_t leaf, uint32_t subleaf);
    uint64_t (*xcr0)(void *context); /* asked only where the kernel has turned it on (OSXSAVE) */
    void *context;
};

/* The registers that decide. A leaf that the processor lacks is 0. */
struct cpu_x86_leaves {
    uint32_t leaf1_ecx, leaf1_edx;
    uint32_t leaf7_ebx, leaf7_ecx, leaf7_edx; /* subleaf 0 */
    uint32_t leaf7_1_eax, leaf7_1_edx;        /* subleaf 1 */
    uint32_t leafd_1_eax;                     /* subleaf 1 */
    uint32_t leaf14_ebx, leaf19_ebx;
    uint32_t leaf1e_1_eax; /* subleaf 1 */
    uint32_t leaf24_ebx;
    uint32_t leaf24_1_ecx; /* subleaf 1 */
    uint32_t leaf29_ebx;
    uint32_t leaf80000001_ecx, leaf80000001_edx, leaf80000008_ebx, leaf80000021_eax;
    uint64_t xcr0; /* 0 without OSXSAVE */
};

/* Never asks for a leaf beyond the highest: Intel's processors answer that with another leaf. */
void cpu_read_x86(struct cpu_x86_leaves *leaves, const struct cpu_x86_source *source);

/* Fills level and features. */
MUST_CHECK enum b10_reason cpu_decide_x86(struct cpu_facts *facts,
                                          const struct cpu_x86_leaves *leaves,
                                          struct b10_error *error);

/* ---- aarch64 ---- */

struct cpu_arm_capabilities {
    uint64_t hwcap, hwcap2, hwcap3; /* AT_HWCAP… of the auxiliary vector */
    unsigned vector_bytes;          /* of an sve register, 0 without sve */
};

/* Fills level and features. */
MUST_CHECK enum b10_reason cpu_decide_arm(struct cpu_facts *facts,
                                          const struct cpu_arm_capabilities *capabilities,
                                          struct b10_error *error);

#endif
