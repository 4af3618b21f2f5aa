#include "env/cpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

/* Code of the 32-bit ABIs of these processors runs nowhere else: "generic", another key. */
#if defined(__x86_64__) && defined(__LP64__)
#define ON_X86_64
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__LP64__)
#define ON_AARCH64
#include <sys/prctl.h>
#endif

/* ---- the processor's own answers ---- */

#if defined(ON_X86_64)

static struct cpu_x86_registers ask_cpuid(void *context, uint32_t leaf, uint32_t subleaf)
{
    (void)context;
    struct cpu_x86_registers said;
    __cpuid_count(leaf, subleaf, said.eax, said.ebx, said.ecx, said.edx);
    return said;
}

static uint64_t ask_xcr0(void *context)
{
    (void)context;
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static enum b10_reason ask_processor(struct cpu_facts *facts, struct b10_error *error)
{
    const struct cpu_x86_source processor = {.cpuid = ask_cpuid, .xcr0 = ask_xcr0};
    struct cpu_x86_leaves leaves;
    cpu_read_x86(&leaves, &processor);
    return cpu_decide_x86(facts, &leaves, error);
}

#elif defined(ON_AARCH64)

#ifndef PR_SVE_GET_VL
#define PR_SVE_GET_VL 51
#endif
#ifndef AT_HWCAP3
#define AT_HWCAP3 29
#endif

static enum b10_reason ask_processor(struct cpu_facts *facts, struct b10_error *error)
{
    int vector = prctl(PR_SVE_GET_VL, 0, 0, 0, 0);
    const struct cpu_arm_capabilities capabilities = {
        .hwcap = getauxval(AT_HWCAP),
        .hwcap2 = getauxval(AT_HWCAP2),
        .hwcap3 = getauxval(AT_HWCAP3),
        .vector_bytes = vector > 0 ? (unsigned)vector & 0xffff : 0,
    };
    return cpu_decide_arm(facts, &capabilities, error);
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
