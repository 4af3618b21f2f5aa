#include "env/cpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/prctl.h>
#endif

/* ---- the processor's own answers ---- */

#if defined(__x86_64__)

enum { XSAVE_BY_OS = 1 << 27 }; /* leaf 1 ecx: OSXSAVE */

static uint64_t read_xcr0(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void read_basic(struct cpu_x86_leaves *leaves, uint32_t highest)
{
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    __cpuid(1, a, b, leaves->leaf1_ecx, leaves->leaf1_edx);
    if (highest >= 7) {
        uint32_t subleaves;
        __cpuid_count(7, 0, subleaves, leaves->leaf7_ebx, leaves->leaf7_ecx, leaves->leaf7_edx);
        if (subleaves >= 1)
            __cpuid_count(7, 1, leaves->leaf7_1_eax, leaves->leaf7_1_ebx, leaves->leaf7_1_ecx,
                          leaves->leaf7_1_edx);
    }
    if (highest >= 0xd)
        __cpuid_count(0xd, 1, leaves->leafd_1_eax, b, c, d);
    if (highest >= 0x14)
        __cpuid_count(0x14, 0, a, leaves->leaf14_ebx, c, d);
    if (highest >= 0x19)
        __cpuid_count(0x19, 0, a, leaves->leaf19_ebx, c, d);
    if (highest >= 0x1e)
        __cpuid_count(0x1e, 1, leaves->leaf1e_1_eax, b, c, d);
    if (highest >= 0x24)
        __cpuid_count(0x24, 0, a, leaves->leaf24_ebx, c, d);
    if ((leaves->leaf1_ecx & XSAVE_BY_OS) != 0)
        leaves->xcr0 = read_xcr0();
}

static enum b10_reason ask_processor(struct cpu_facts *facts, struct b10_error *error)
{
    struct cpu_x86_leaves leaves = {0};
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    uint32_t highest = (uint32_t)__get_cpuid_max(0, NULL);
    if (highest >= 1)
        read_basic(&leaves, highest);
    highest = (uint32_t)__get_cpuid_max(0x80000000, NULL);
    if (highest >= 0x80000001)
        __cpuid(0x80000001, a, b, leaves.leaf80000001_ecx, leaves.leaf80000001_edx);
    if (highest >= 0x80000008)
        __cpuid(0x80000008, a, leaves.leaf80000008_ebx, c, d);
    return cpu_decide_x86(facts, &leaves, error);
}

#elif defined(__aarch64__)

#ifndef PR_SVE_GET_VL
#define PR_SVE_GET_VL 51
#endif

static enum b10_reason ask_processor(struct cpu_facts *facts, struct b10_error *error)
{
    int vector = prctl(PR_SVE_GET_VL, 0, 0, 0, 0);
    unsigned vector_bytes = vector > 0 ? (unsigned)vector & 0xffff : 0;
    return cpu_decide_arm(facts, getauxval(AT_HWCAP), getauxval(AT_HWCAP2), vector_bytes, error);
}

#else

static enum b10_reason ask_processor(struct cpu_facts *facts, struct b10_error *error)
{
    char first[32];
    char second[32];
    snprintf(first, sizeof(first), "hwcap:%lx", getauxval(AT_HWCAP));
    snprintf(second, sizeof(second), "hwcap2:%lx", getauxval(AT_HWCAP2));
    const char *names[] = {first, second};
    snprintf(facts->level, sizeof(facts->level), "generic");
    return cpu_set_features(facts, names, 2, error);
}

#endif

/* ---- facts ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum b10_reason cpu_set_features(struct cpu_facts *facts, const char **names, size_t count,
                                 struct b10_error *error)
{
    if (count > 1)
        qsort(names, count, sizeof(*names), by_bytes);
    bytes_clear(&facts->features);
    for (size_t i = 0; i < count; i++)
        TRY(bytes_format(&facts->features, error, "%s%s", i > 0 ? "," : "", names[i]));
    return bytes_terminate(&facts->features, error);
}

enum b10_reason cpu_detect(struct cpu_facts *facts, struct b10_error *error)
{
    struct utsname names;
    if (uname(&names) != 0)
        return error_errno(error, errno, "cannot ask for the architecture");
    snprintf(facts->architecture, sizeof(facts->architecture), "%.31s", names.machine);
    return ask_processor(facts, error);
}

void cpu_facts_release(struct cpu_facts *facts)
{
    bytes_release(&facts->features);
}

void cpu_facts_guard(struct cpu_facts *facts)
{
    cpu_facts_release(facts);
}
