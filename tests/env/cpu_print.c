/* What the library takes a processor for, as name=value lines.
 *
 *     cpu_print                                this one
 *     cpu_print all                            cpu_features: every x86-64 name that there is
 *     cpu_print arm HWCAP HWCAP2 HWCAP3        an aarch64 one with these capabilities
 *     cpu_print time COUNT                     microseconds per detection
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "env/cpu.h"

static enum b10_reason detect_all(struct cpu_facts *facts, struct b10_error *error)
{
    struct cpu_x86_leaves leaves;
    memset(&leaves, 0xff, sizeof(leaves));
    return cpu_decide_x86(facts, &leaves, error);
}

static enum b10_reason detect_arm(struct cpu_facts *facts, char **words, struct b10_error *error)
{
    const struct cpu_arm_capabilities capabilities = {
        .hwcap = strtoull(words[0], NULL, 0),
        .hwcap2 = strtoull(words[1], NULL, 0),
        .hwcap3 = strtoull(words[2], NULL, 0),
    };
    return cpu_decide_arm(facts, &capabilities, error);
}

static enum b10_reason measure(long count, struct b10_error *error)
{
    struct timespec begin;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < count; i++) {
        SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
        TRY(cpu_detect(&facts, error));
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("microseconds=%.1f\n", seconds * 1e6 / (double)count);
    return B10_REASON_OK;
}

int main(int argc, char **argv)
{
    struct b10_error error = ERROR_NONE;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    enum b10_reason reason = B10_REASON_OK;
    if (argc == 3 && strcmp(argv[1], "time") == 0)
        return measure(atol(argv[2]), &error) != B10_REASON_OK;
    if (argc == 2 && strcmp(argv[1], "all") == 0)
        reason = detect_all(&facts, &error);
    else if (argc == 5 && strcmp(argv[1], "arm") == 0)
        reason = detect_arm(&facts, argv + 2, &error);
    else
        reason = cpu_detect(&facts, &error);
    if (reason != B10_REASON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    printf("arch=%s\ncpu=%s\ncpu_features=%s\n", facts.architecture, facts.level,
           (const char *)facts.features.data);
    return 0;
}
